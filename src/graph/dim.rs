//! Dimensions that may be symbolic, such as a batch size fixed only when a session is made.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// One dimension. Symbolic ones are `times * symbol`, which is all that reshapes of a batch need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Known(usize),
    /// `times` times a named symbol, as in `197 * N`.
    Symbolic {
        /// Name of the symbol.
        symbol: Arc<str>,
        /// Positive factor.
        times: usize,
    },
    /// Depends on data.
    Unknown,
}

impl Dim {
    /// The bare symbol `name`.
    pub fn symbol(name: &str) -> Self {
        Self::Symbolic { symbol: name.into(), times: 1 }
    }

    /// The number, if it is one.
    pub fn known(&self) -> Option<usize> {
        match self {
            Self::Known(n) => Some(*n),
            _ => None,
        }
    }

    /// Product; of two symbols, unknown.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) => a.checked_mul(*b).map_or(Self::Unknown, Self::Known),
            (Self::Known(0), _) | (_, Self::Known(0)) => Self::Known(0),
            (Self::Known(k), Self::Symbolic { symbol, times })
            | (Self::Symbolic { symbol, times }, Self::Known(k)) => times
                .checked_mul(*k)
                .map_or(Self::Unknown, |times| Self::Symbolic { symbol: symbol.clone(), times }),
            _ => Self::Unknown,
        }
    }

    /// Exact quotient; unknown where it does not divide.
    #[must_use]
    pub fn divide(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) if *b > 0 && a % b == 0 => Self::Known(a / b),
            (Self::Symbolic { symbol, times }, Self::Known(b)) if *b > 0 && times % b == 0 => {
                Self::Symbolic { symbol: symbol.clone(), times: times / b }
            }
            (Self::Symbolic { symbol: a, times: x }, Self::Symbolic { symbol: b, times: y })
                if a == b && x % y == 0 =>
            {
                Self::Known(x / y)
            }
            _ => Self::Unknown,
        }
    }

    /// Replaces `symbol` by the number `n`.
    #[must_use]
    pub fn bind(&self, symbol: &str, n: usize) -> Self {
        match self {
            Self::Symbolic { symbol: s, times } if &**s == symbol => {
                times.checked_mul(n).map_or(Self::Unknown, Self::Known)
            }
            other => other.clone(),
        }
    }
}

impl From<usize> for Dim {
    fn from(n: usize) -> Self {
        Self::Known(n)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(n) => write!(f, "{n}"),
            Self::Symbolic { symbol, times: 1 } => write!(f, "{symbol}"),
            Self::Symbolic { symbol, times } => write!(f, "{times}*{symbol}"),
            Self::Unknown => write!(f, "?"),
        }
    }
}

/// The dimensions of a value, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    /// A shape of numbers.
    pub fn fixed(dims: &[usize]) -> Self {
        Self(dims.iter().map(|&d| Dim::Known(d)).collect())
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// All numbers, if they all are.
    pub fn known(&self) -> Option<Vec<usize>> {
        self.0.iter().map(Dim::known).collect()
    }

    /// Product of all dimensions.
    pub fn volume(&self) -> Dim {
        self.0.iter().fold(Dim::Known(1), |a, d| a.times(d))
    }

    /// Replaces `symbol` by `n` everywhere.
    #[must_use]
    pub fn bind(&self, symbol: &str, n: usize) -> Self {
        Self(self.0.iter().map(|d| d.bind(symbol, n)).collect())
    }

    /// The shape as a `Reshape` operand: numbers, and -1 for at most one symbolic dimension.
    pub fn as_reshape(&self) -> Option<Vec<i64>> {
        let open = self.0.iter().filter(|d| d.known().is_none()).count();
        if open > 1 {
            return None;
        }
        self.0.iter().map(|d| d.known().map_or(Some(-1), |n| i64::try_from(n).ok())).collect()
    }
}

impl Deref for Shape {
    type Target = Vec<Dim>;
    fn deref(&self) -> &Vec<Dim> {
        &self.0
    }
}

impl DerefMut for Shape {
    fn deref_mut(&mut self) -> &mut Vec<Dim> {
        &mut self.0
    }
}

impl From<Vec<Dim>> for Shape {
    fn from(dims: Vec<Dim>) -> Self {
        Self(dims)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, d) in self.0.iter().enumerate() {
            write!(f, "{}{d}", if i > 0 { "," } else { "" })?;
        }
        f.write_str("]")
    }
}

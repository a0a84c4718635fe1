//! Symbolic integers: the elements of a tensor that shape arithmetic computes with.

use std::sync::Arc;

use crate::graph::Dim;

/// One element of an integer (or bool, as 0 and 1) tensor. Unlike a [`Dim`] it may be negative, as the -1 of
/// a `Reshape` operand is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// A number.
    Number(i64),
    /// `times * symbol` with `times > 0`.
    Multiple {
        /// Name of the symbol, which stands for a number of at least one.
        symbol: Arc<str>,
        /// Positive factor.
        times: i64,
    },
    /// Depends on data.
    Unknown,
}

use Term::{Multiple, Number, Unknown};

impl Term {
    /// The number, if it is one.
    pub fn number(&self) -> Option<i64> {
        match self {
            Number(n) => Some(*n),
            _ => None,
        }
    }

    /// As a dimension; a negative number is none.
    pub fn dim(&self) -> Dim {
        match self {
            Number(n) => usize::try_from(*n).map_or(Dim::Unknown, Dim::Known),
            Multiple { symbol, times } => usize::try_from(*times)
                .map_or(Dim::Unknown, |times| Dim::Symbolic { symbol: symbol.clone(), times }),
            Unknown => Dim::Unknown,
        }
    }

    fn multiple(symbol: &Arc<str>, times: Option<i64>) -> Self {
        match times {
            Some(0) => Number(0),
            Some(times) if times > 0 => Multiple { symbol: symbol.clone(), times },
            _ => Unknown,
        }
    }

    /// Both as numbers, or both as factors of one symbol (0 is a factor of any).
    fn aligned<'t>(&'t self, other: &'t Self) -> Option<(Option<&'t Arc<str>>, i64, i64)> {
        match (self, other) {
            (Number(a), Number(b)) => Some((None, *a, *b)),
            (Multiple { symbol, times }, Number(0)) => Some((Some(symbol), *times, 0)),
            (Number(0), Multiple { symbol, times }) => Some((Some(symbol), 0, *times)),
            (Multiple { symbol: s, times: a }, Multiple { symbol: t, times: b }) if s == t => {
                Some((Some(s), *a, *b))
            }
            _ => None,
        }
    }

    fn linear(&self, other: &Self, f: fn(i64, i64) -> Option<i64>) -> Self {
        match self.aligned(other) {
            Some((None, a, b)) => f(a, b).map_or(Unknown, Number),
            Some((Some(symbol), a, b)) => Self::multiple(symbol, f(a, b)),
            None => Unknown,
        }
    }

    /// Sum.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        self.linear(other, i64::checked_add)
    }

    /// Difference.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        self.linear(other, i64::checked_sub)
    }

    /// Product.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Self {
        match (self, other) {
            (Number(0), _) | (_, Number(0)) => Number(0),
            (Number(a), Number(b)) => a.checked_mul(*b).map_or(Unknown, Number),
            (Number(k), Multiple { symbol, times }) | (Multiple { symbol, times }, Number(k)) => {
                Self::multiple(symbol, times.checked_mul(*k))
            }
            _ => Unknown,
        }
    }

    /// Quotient, truncated for numbers as ONNX's `Div` truncates; of a multiple only where it divides.
    #[must_use]
    pub fn div(&self, other: &Self) -> Self {
        match (self, other) {
            (Number(a), Number(b)) => a.checked_div(*b).map_or(Unknown, Number),
            (Multiple { symbol, times }, Number(k)) if *k > 0 && times % k == 0 => {
                Self::multiple(symbol, Some(times / k))
            }
            (Multiple { symbol: s, times: a }, Multiple { symbol: t, times: b }) if s == t && a % b == 0 => {
                Number(a / b)
            }
            _ => Unknown,
        }
    }

    /// Remainder with the sign of the divisor, as ONNX's `Mod` of integers; of a multiple only where it is 0.
    #[must_use]
    pub fn modulo(&self, other: &Self) -> Self {
        match (self, other) {
            (Number(a), Number(b)) if *b != 0 => a
                .checked_rem(*b)
                .map_or(Unknown, |r| Number(if r != 0 && (r < 0) != (*b < 0) { r + b } else { r })),
            (Multiple { times, .. }, Number(k)) if *k > 0 && times % k == 0 => Number(0),
            _ => Unknown,
        }
    }

    /// Sign of `self - other` where it is certain: a symbol is at least one.
    pub fn compare(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Multiple { times, .. }, Number(k)) if k < times => Some(std::cmp::Ordering::Greater),
            (Number(k), Multiple { times, .. }) if k < times => Some(std::cmp::Ordering::Less),
            _ => self.aligned(other).map(|(_, a, b)| a.cmp(&b)),
        }
    }

    /// Whether they are equal, where it is certain.
    pub fn equals(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Multiple { times, .. }, Number(k)) | (Number(k), Multiple { times, .. }) if k % times != 0 => {
                Some(false)
            }
            _ => self.compare(other).map(std::cmp::Ordering::is_eq),
        }
    }
}

impl From<&Dim> for Term {
    fn from(dim: &Dim) -> Self {
        match dim {
            Dim::Known(n) => i64::try_from(*n).map_or(Unknown, Number),
            Dim::Symbolic { symbol, times } => Self::multiple(symbol, i64::try_from(*times).ok()),
            Dim::Unknown => Unknown,
        }
    }
}

impl From<bool> for Term {
    fn from(x: bool) -> Self {
        Number(i64::from(x))
    }
}

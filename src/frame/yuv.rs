//! Luma and chroma to red, green and blue; the equations are [`Yuv`]'s.
//!
//! What it does not do: interpolate chroma. Pixels that share a colour get the same, as in OpenCV.

/// Weights of red and blue in the luma.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// Kr 0.299, Kb 0.114: web cameras, JPEG, and what OpenCV assumes.
    #[default]
    Bt601,
    /// Kr 0.2126, Kb 0.0722: HD video.
    Bt709,
}

/// Which levels are black and white.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Range {
    /// Luma 16 to 235, chroma 16 to 240: what most cameras send, and what OpenCV assumes.
    #[default]
    Limited,
    /// 0 to 255, as in JPEG.
    Full,
}

/// What the numbers of an `Nv12`, `I420` or `Yuyv` frame mean.
///
/// With `Kg = 1 - Kr - Kb`, luma `y` and chroma `u`, `v` brought to 0..1 and -1/2..1/2 (ITU-R BT.601 and BT.709):
///
/// ```text
/// r = y + 2 (1 - Kr) v        b = y + 2 (1 - Kb) u        g = (y - Kr r - Kb b) / Kg
/// ```
///
/// Computed in integers of 20 fractional bits, rounded once, as OpenCV does; where the range is limited, luma below 16 counts as 16. OpenCV's
/// factors have three decimals, these are exact, so they differ by one level here and there (`tests/frame.rs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Yuv {
    /// Weights of red and blue in the luma.
    pub matrix: Matrix,
    /// Which levels are black and white.
    pub range: Range,
}

const BITS: i32 = 20;
const HALF: i32 = 1 << (BITS - 1);

/// Factors of 20 fractional bits; one for each product of the equations.
#[derive(Clone, Copy)]
pub(super) struct Factors {
    black: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl Yuv {
    pub(super) fn factors(self) -> Factors {
        let (kr, kb) = match self.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let (black, luma, chroma) = match self.range {
            Range::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0, 1.0, 1.0),
        };
        let kg = 1.0 - kr - kb;
        let fixed = |x: f64| (x * f64::from(1 << BITS)).round() as i32;
        Factors {
            black,
            luma: fixed(luma),
            red_v: fixed(chroma * 2.0 * (1.0 - kr)),
            green_u: fixed(-chroma * 2.0 * (1.0 - kb) * kb / kg),
            green_v: fixed(-chroma * 2.0 * (1.0 - kr) * kr / kg),
            blue_u: fixed(chroma * 2.0 * (1.0 - kb)),
        }
    }
}

impl Factors {
    /// Two pixels that share their colour: red, green, blue, red, green, blue.
    pub(super) fn pair(self, luma: [u8; 2], u: u8, v: u8) -> [u8; 6] {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let colour = [self.red_v * v, self.green_u * u + self.green_v * v, self.blue_u * u].map(|c| c + HALF);
        let [left, right] = luma.map(|y| (i32::from(y) - self.black).max(0) * self.luma);
        let level = |luma: i32, i: usize| ((luma + colour[i]) >> BITS).clamp(0, 255) as u8;
        [level(left, 0), level(left, 1), level(left, 2), level(right, 0), level(right, 1), level(right, 2)]
    }
}

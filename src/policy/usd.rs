//! Money, in millionths of a US dollar.
//!
//! Sums of prices are compared with caps, so they are whole numbers: ten calls of ten cents are a
//! dollar, which they would not be in binary fractions.

use std::fmt;

/// An amount from 0 to a thousand million dollars, exact to a millionth of a dollar.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Usd(u64);

/// Millionths in a dollar.
const MICROS: u64 = 1_000_000;

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The largest amount. A million times as much still fits into the number beneath.
    pub const MAX: Self = Self(1_000_000_000 * MICROS);

    /// An amount in dollars, to the nearest millionth; `None` where it is negative, too large or no
    /// number at all. What is more than nothing is at least a millionth, so that a very small price
    /// is not a free one.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        if !(0.0..=Self::MAX.dollars()).contains(&dollars) {
            return None;
        }
        // In range, so the conversion keeps every digit there is.
        let micros = (dollars * MICROS as f64).round() as u64;
        Some(Self(if dollars > 0.0 { micros.max(1) } else { 0 }))
    }

    /// The amount that is nearest to so many dollars; what is no number is nothing.
    pub fn nearest(dollars: f64) -> Self {
        let within = dollars.max(0.0).min(Self::MAX.dollars());
        Self::from_dollars(within).unwrap_or(Self::ZERO)
    }

    /// From millionths, as they were kept; what is more than the most becomes that.
    pub(super) fn from_micros(micros: u64) -> Self {
        Self(micros).min(Self::MAX)
    }

    /// In millionths.
    pub fn micros(self) -> u64 {
        self.0
    }

    /// In dollars, for JSON.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / MICROS as f64
    }

    /// What is left of it without another amount; nothing where that is more.
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Both together, at most [`Usd::MAX`].
    pub fn plus(self, other: Self) -> Self {
        Self::from_micros(self.0 + other.0)
    }
}

/// In decimal without an exponent, as short as it can be: `0.5`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micros) = (self.0 / MICROS, self.0 % MICROS);
        if micros == 0 {
            return write!(f, "{whole}");
        }
        let fraction = format!("{micros:06}");
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_become_millionths_and_back() {
        for (dollars, micros, text) in [
            (0.0, 0, "0"),
            (-0.0, 0, "0"),
            (0.1, 100_000, "0.1"),
            (1.1, 1_100_000, "1.1"),
            (0.29, 290_000, "0.29"),
            (2.0, 2_000_000, "2"),
            (0.000_001, 1, "0.000001"),
            (0.000_000_4, 1, "0.000001"),
            (1e-300, 1, "0.000001"),
            (12.345_678_4, 12_345_678, "12.345678"),
            (12.345_678_6, 12_345_679, "12.345679"),
            (1e9, 1_000_000_000_000_000, "1000000000"),
            (999_999_999.999_999, 999_999_999_999_999, "999999999.999999"),
        ] {
            let usd = Usd::from_dollars(dollars).unwrap();
            assert_eq!((usd.micros(), &*usd.to_string()), (micros, text));
            assert_eq!(Usd::from_dollars(usd.dollars()), Some(usd), "{dollars}");
            assert_eq!(text.parse::<f64>().unwrap(), usd.dollars());
        }
        for nothing in [-0.01, -1e-300, 1e9 + 1.0, f64::INFINITY, f64::NAN] {
            assert_eq!(Usd::from_dollars(nothing), None, "{nothing}");
        }
        for (claimed, taken) in [
            (-1.0, Usd::ZERO),
            (f64::NEG_INFINITY, Usd::ZERO),
            (f64::NAN, Usd::ZERO),
            (1e9 + 1.0, Usd::MAX),
            (f64::INFINITY, Usd::MAX),
            (0.5, Usd::from_micros(500_000)),
        ] {
            assert_eq!(Usd::nearest(claimed), taken, "{claimed}");
        }
    }

    #[test]
    fn a_sum_stays_below_the_most() {
        let dime = Usd::from_dollars(0.1).unwrap();
        let dollar = (0..10).fold(Usd::ZERO, |sum, _| sum.plus(dime));
        assert_eq!(Some(dollar), Usd::from_dollars(1.0));
        assert_eq!(Usd::MAX.plus(dime), Usd::MAX);
        assert_eq!(dime.minus(dollar), Usd::ZERO);
        assert_eq!(dollar.minus(dime).micros(), 900_000);
    }
}

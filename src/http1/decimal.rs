//! A number in decimal, as it stands in a head, without an allocation.
//!
//! Every call writes some. What they count is left to the callers.

/// A sign and the digits of any 64-bit number.
const LONGEST: usize = 20;

/// A number's text: a minus sign where it is negative, and digits without a zero before them.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    text: [u8; LONGEST],
    start: usize,
}

impl From<u64> for Decimal {
    fn from(mut number: u64) -> Self {
        let (mut text, mut start) = ([0; LONGEST], LONGEST);
        loop {
            start -= 1;
            text[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { text, start };
            }
        }
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        let mut decimal = Self::from(number.unsigned_abs());
        if number < 0 {
            // There is room: the longest negative number has 19 digits.
            decimal.start -= 1;
            decimal.text[decimal.start] = b'-';
        }
        decimal
    }
}

impl AsRef<[u8]> for Decimal {
    fn as_ref(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_they_are_written_by_hand() {
        for (number, text) in [
            (0, "0"),
            (7, "7"),
            (10, "10"),
            (1_705_322_400, "1705322400"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(Decimal::from(number).as_ref(), text.as_bytes());
        }
        for (number, text) in [
            (0, "0"),
            (-1, "-1"),
            (i64::MAX, "9223372036854775807"),
            (i64::MIN, "-9223372036854775808"),
        ] {
            assert_eq!(Decimal::from(number).as_ref(), text.as_bytes());
        }
    }
}

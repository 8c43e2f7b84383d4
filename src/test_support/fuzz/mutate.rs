//! Inputs from inputs: small random changes to seeds, the same for the same number.
//!
//! No coverage guides it. It keeps the promises of `fuzz` under watch on every test run, with the
//! stable compiler; finding new inputs is libFuzzer's part.

/// Most changes of one input. More of them leave nothing of what the seed was about.
const MOST_CHANGES: usize = 4;
/// Longest input that is made; the seeds are far shorter.
const MOST_BYTES: usize = 8 * 1024;

/// An endless row of inputs.
#[derive(Debug)]
pub struct Mutator<'s> {
    random: fastrand::Rng,
    seeds: &'s [Vec<u8>],
    tokens: &'s [Vec<u8>],
}

impl<'s> Mutator<'s> {
    /// A row that is decided by `number`, made from these seeds and tokens.
    ///
    /// # Panics
    /// When there is no seed or no token.
    pub fn new(number: u64, seeds: &'s [Vec<u8>], tokens: &'s [Vec<u8>]) -> Self {
        assert!(!seeds.is_empty() && !tokens.is_empty());
        Self {
            random: fastrand::Rng::with_seed(number),
            seeds,
            tokens,
        }
    }

    /// The next input.
    pub fn mutated(&mut self) -> Vec<u8> {
        let mut input = self.seed().clone();
        for _ in 0..self.random.usize(1..=MOST_CHANGES) {
            self.change(&mut input);
        }
        input.truncate(MOST_BYTES);
        input
    }

    fn seed(&mut self) -> &'s Vec<u8> {
        &self.seeds[self.random.usize(..self.seeds.len())]
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.random.usize(..=input.len());
        let until = self.random.usize(at..=input.len().min(at + 32));
        match self.random.u8(..8) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.random.u8(..8);
                }
            }
            1 => input.truncate(at),
            2 => drop(input.drain(at..until)),
            3 => {
                let copied = input[at..until].to_vec();
                input.splice(until..until, copied);
            }
            4 => {
                // From here on another seed, from anywhere in it.
                let other = self.seed();
                let from = self.random.usize(..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            5 => {
                let byte = self.random.u8(..);
                input.insert(at, byte);
            }
            6 => {
                let token = self.token();
                input.splice(at..at, token.iter().copied());
            }
            _ => {
                let token = self.token();
                input.splice(at..until, token.iter().copied());
            }
        }
    }

    fn token(&mut self) -> &'s Vec<u8> {
        &self.tokens[self.random.usize(..self.tokens.len())]
    }
}

/// The tokens of a dictionary in libFuzzer's form: one `"token"` a line, with `\xNN`, `\"` and
/// `\\`, and comments behind `#`.
///
/// # Panics
/// When a line is neither.
pub fn dictionary(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let token = line.strip_prefix('"').and_then(|l| l.strip_suffix('"'));
            let token = token.and_then(|token| unescape(token.as_bytes()));
            token.unwrap_or_else(|| panic!("not a line of a dictionary: {line}"))
        })
        .collect()
}

fn unescape(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut token = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        let (byte, rest) = match (first, rest) {
            (b'\\', [b'x', high, low, rest @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
                (byte, rest)
            }
            (b'\\', [byte @ (b'\\' | b'"'), rest @ ..]) => (*byte, rest),
            (b'\\', _) => return None,
            (byte, rest) => (*byte, rest),
        };
        token.push(byte);
        text = rest;
    }
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_is_read_as_libfuzzer_reads_it() {
        let text = "# comment\n\n\"a b\"\n  \"\\x0d\\x0A\\\\x\\\"#\"\n";
        assert_eq!(dictionary(text), [&b"a b"[..], b"\r\n\\x\"#"]);
        for wrong in ["a", "\"a", "name=\"a\"", "\"\\n\"", "\"\\x1\""] {
            assert!(std::panic::catch_unwind(|| dictionary(wrong)).is_err());
        }
    }

    #[test]
    fn a_number_decides_the_row_and_the_row_goes_on_changing() {
        let seeds = [b"GET / HTTP/1.1".to_vec(), Vec::new()];
        let tokens = [b"\r\n".to_vec()];
        let row = |number| -> Vec<Vec<u8>> {
            let mut mutator = Mutator::new(number, &seeds, &tokens);
            (0..200).map(|_| mutator.mutated()).collect()
        };
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
        let distinct: std::collections::HashSet<_> = row(7).into_iter().collect();
        assert!(distinct.len() > 100, "only {}", distinct.len());
    }
}

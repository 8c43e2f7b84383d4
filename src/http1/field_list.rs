//! The fields of a request's head, in the order in which they came.
//!
//! A request has some ten fields and is asked for about as many names, once each. Going through a
//! list for that costs less than filling a table, and the list goes on to the tool as it is, but
//! for what ends here. How long it can get is the scan's business: nowhere longer than
//! [`MOST_FIELDS`](crate::http1::MOST_FIELDS). Answers keep the table of `http`, in which they come
//! over HTTP/2.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields with their names and values. A name may stand in it more than once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FieldList(Vec<(HeaderName, HeaderValue)>);

impl FieldList {
    pub(super) fn with_capacity(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    pub(super) fn push(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// How many fields there are.
    #[cfg(any(test, feature = "test-support"))]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The values of every field of this name, in their order.
    pub fn get_all<'f, N>(&'f self, name: &'f N) -> impl Iterator<Item = &'f HeaderValue>
    where
        HeaderName: PartialEq<N>,
        N: ?Sized,
    {
        let fields = self.0.iter().filter(move |(own, _)| own == name);
        fields.map(|(_, value)| value)
    }

    /// The value of the first field of this name.
    pub fn get<'f, N>(&'f self, name: &'f N) -> Option<&'f HeaderValue>
    where
        HeaderName: PartialEq<N>,
        N: ?Sized,
    {
        self.get_all(name).next()
    }

    /// Whether there is a field of this name.
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.get(name).is_some()
    }

    /// Removes every field of this name.
    pub fn remove(&mut self, name: &HeaderName) {
        self.0.retain(|(own, _)| own != name);
    }

    /// The fields themselves.
    pub fn into_vec(self) -> Vec<(HeaderName, HeaderValue)> {
        self.0
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for FieldList {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl From<FieldList> for HeaderMap {
    fn from(fields: FieldList) -> Self {
        let mut headers = Self::with_capacity(fields.0.len());
        for (name, value) in fields.0 {
            headers.append(name, value);
        }
        headers
    }
}

#[cfg(any(test, feature = "test-support"))]
impl<'f> IntoIterator for &'f FieldList {
    type Item = (&'f HeaderName, &'f HeaderValue);
    type IntoIter = std::iter::Map<
        std::slice::Iter<'f, (HeaderName, HeaderValue)>,
        fn(&'f (HeaderName, HeaderValue)) -> Self::Item,
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for FieldList {
    fn from(fields: [(&str, &str); N]) -> Self {
        Self::from(&fields[..])
    }
}

#[cfg(test)]
impl From<&[(&str, &str)]> for FieldList {
    fn from(fields: &[(&str, &str)]) -> Self {
        let parsed = fields.iter().map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (name.parse().unwrap(), value)
        });
        Self(parsed.collect())
    }
}

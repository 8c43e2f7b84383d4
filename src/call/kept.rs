//! A transparent answer as it is kept for the repetitions of its call: status, end-to-end fields and
//! body.
//!
//! What is kept was cleaned before, so a replay adds nothing but the word that it is one. What is not
//! in this form, for whatever reason, is no answer.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Response, StatusCode, response};

use crate::headers::X_COUNTERSIGN_REPLAYED;

/// Writes an answer down. `None` for one with more or longer fields than any head may have.
pub(super) fn keep(head: &response::Parts, body: &Bytes) -> Option<Bytes> {
    let mut kept = BytesMut::with_capacity(body.len() + ROOM_FOR_A_HEAD);
    kept.put_u16(head.status.as_u16());
    kept.put_u16(u16::try_from(head.headers.len()).ok()?);
    for (name, value) in &head.headers {
        kept.put_u16(u16::try_from(name.as_str().len()).ok()?);
        kept.put_slice(name.as_str().as_bytes());
        kept.put_u32(u32::try_from(value.len()).ok()?);
        kept.put_slice(value.as_bytes());
    }
    kept.put_slice(body);
    Some(kept.freeze())
}

/// Status and fields of a usual answer, in bytes.
const ROOM_FOR_A_HEAD: usize = 512;

/// Makes the same answer again, marked as a repetition.
// spec: IDEM-1
pub(super) fn replay(mut kept: Bytes) -> Option<Response<Bytes>> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::from_u16(kept.try_get_u16().ok()?).ok()?;
    for _ in 0..kept.try_get_u16().ok()? {
        let length = kept.try_get_u16().ok()?;
        let name = HeaderName::from_bytes(&cut(&mut kept, length.into())?).ok()?;
        let length = usize::try_from(kept.try_get_u32().ok()?).ok()?;
        let value = HeaderValue::from_maybe_shared(cut(&mut kept, length)?).ok()?;
        response.headers_mut().append(name, value);
    }
    let mark = HeaderValue::from_static("true");
    response.headers_mut().insert(X_COUNTERSIGN_REPLAYED, mark);
    *response.body_mut() = kept;
    Some(response)
}

fn cut(kept: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= kept.len()).then(|| kept.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> (response::Parts, Bytes) {
        let response = Response::builder()
            .status(201)
            .header("content-type", "application/json")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .header("x-empty", "")
            .body(Bytes::from_static(b"{\"id\":7}"))
            .unwrap();
        response.into_parts()
    }

    // spec: IDEM-1
    #[test]
    fn what_is_kept_comes_back_with_a_mark() {
        let (head, body) = answer();
        let (mut again, same) = replay(keep(&head, &body).unwrap()).unwrap().into_parts();
        assert_eq!(
            again.headers.remove(X_COUNTERSIGN_REPLAYED).unwrap(),
            "true"
        );
        assert_eq!((again.status, same), (head.status, body));
        assert_eq!(again.headers, head.headers);
    }

    #[test]
    fn what_is_cut_off_in_the_head_is_no_answer() {
        let (head, _) = answer();
        let kept = keep(&head, &Bytes::new()).unwrap();
        for length in 0..kept.len() {
            assert!(replay(kept.slice(..length)).is_none(), "{length}");
        }
        assert!(replay(Bytes::from_static(&[0, 99, 0, 0])).is_none());
    }
}

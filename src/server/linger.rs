//! Closing without losing the answer.
//!
//! A socket that is closed while the client still sends is reset, and the reset overtakes an answer
//! that the client has not read yet: whoever uploads too much would see a broken connection instead
//! of the 413 that says why. So the sending side is closed first, and what the client has on the
//! way is read and thrown away for a moment (RFC 9112, 9.6).

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// A client that has read its answer closes at once; one that has not is given this long.
const LONGEST: Duration = Duration::from_secs(1);

/// What a client can have on the way beside what it adds while it does not read.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Closes our side and waits for the client's, within limits of time and bytes.
pub(super) async fn close<I>(io: &mut I)
where
    I: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    if io.shutdown().await.is_ok() {
        let _ = timeout(LONGEST, discard(io)).await;
    }
}

async fn discard<I: AsyncRead + Unpin + ?Sized>(io: &mut I) {
    // On the heap, because every connection's task would have room for it otherwise.
    let mut scratch = vec![0; 8 * 1024];
    let mut left = MOST_BYTES;
    while left > 0 {
        match io.read(&mut scratch).await {
            Ok(0) | Err(_) => return,
            Ok(read) => left = left.saturating_sub(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_on_the_way_is_read_until_the_client_closes() {
        let (mut client, mut server) = duplex(1024);
        let upload = tokio::spawn(async move {
            client.write_all(&[0; 100_000]).await.unwrap();
            client.shutdown().await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        });
        server.write_all(b"413").await.unwrap();
        close(&mut server).await;
        assert_eq!(upload.await.unwrap(), b"413");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stays_is_left() {
        let (_client, mut server) = duplex(1024);
        let started = Instant::now();
        close(&mut server).await;
        assert_eq!(started.elapsed(), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_left_is_not_waited_for() {
        let (client, mut server) = duplex(1024);
        drop(client);
        let started = Instant::now();
        close(&mut server).await;
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}

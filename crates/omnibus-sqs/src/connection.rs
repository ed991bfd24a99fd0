//! Bytes in, bytes out: HTTP/1.1 over any pair of streams.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Sleep;

use crate::answer::Answer;
use crate::door::Door;
use crate::errors::ApiError;
use crate::requests;
use crate::session::Arrived;

/// How long a connection may neither send nor take anything; a poll waits 20 s at most.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// What a header section may take.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// Serves until the client closes the connection, or the door closes and nothing is being answered.
pub(crate) async fn serve(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: Arc<Door>,
    mut shutdown: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let door = Arc::clone(&door);
        async move { Ok::<_, Infallible>(respond(door, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(SILENCE_MAX).max_buf_size(HEADER_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(Patient::new(socket)), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = told_to_stop(&mut shutdown) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Waits for the word; a sender that is gone means the same.
pub(crate) async fn told_to_stop(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|stop| *stop).await);
}

async fn respond(door: Arc<Door>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let mut arrived = Arrived {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(header).collect(),
        body: Bytes::new(),
    };
    let answer = match receive(&door, body).await {
        Ok((body, _paid)) => {
            arrived.body = body;
            requests::answer(door, arrived).await
        }
        Err(error) => requests::refuse(&door, &arrived, &error),
    };
    response(answer)
}

/// Receives a body, paying for its memory; the permit gives it back.
async fn receive(door: &Door, mut body: Incoming) -> Result<(Bytes, Option<OwnedSemaphorePermit>), ApiError> {
    let max = door.settings.request_bytes_max;
    let too_long = || ApiError::BodyTooLong { max };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > max {
        return Err(too_long());
    }
    let mut paid = door.pay_for(announced).await?;
    let mut received = BytesMut::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::Serialization(format!("the body ended early: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if received.len() + data.len() > max {
            return Err(too_long());
        }
        if received.len() + data.len() > announced {
            let more = door.pay_for(data.len()).await?;
            match (&mut paid, more) {
                (Some(paid), Some(more)) => paid.merge(more),
                (paid @ None, more) => *paid = more,
                (Some(_), None) => {}
            }
        }
        received.extend_from_slice(&data);
    }
    Ok((received.freeze(), paid))
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let Answer { status, content_type, request_id, query_error, body } = answer;
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Both are made of letters, digits and dashes.
    for (name, value) in [("x-amzn-requestid", Some(request_id)), ("x-amzn-query-error", query_error)] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// A socket that is given up when it was silent for too long.
struct Patient<S> {
    socket: S,
    silence: Pin<Box<Sleep>>,
}

impl<S> Patient<S> {
    fn new(socket: S) -> Self {
        Self { socket, silence: Box::pin(tokio::time::sleep(SILENCE_MAX)) }
    }

    fn heard<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.silence.set(tokio::time::sleep(SILENCE_MAX));
            return polled;
        }
        self.silence.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_read(cx, into);
        self.heard(cx, polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.heard(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.heard(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_flush(cx);
        self.heard(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;

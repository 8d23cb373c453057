//! A small HTTP server on loopback: serves any function from [`Request`] to [`Reply`] on a port, plain or TLS.
//!
//! It runs in its own thread, so a test needs no async runtime, and the handler may block (a long poll).

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    thread::JoinHandle,
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::{
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header::{HeaderName, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::Sleep,
};
use tokio_rustls::TlsAcceptor;

use crate::{Reply, Request, Response};

/// Answers a request. May block.
pub type Handler = Arc<dyn Fn(Request) -> Reply + Send + Sync>;

/// A running server. It stops when dropped, and does not wait for a handler that is still blocked.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    scheme: &'static str,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// The address on which it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, or `https` with TLS.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Closing the channel is the signal.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the server thread has been printed there.
            let _ = thread.join();
        }
    }
}

/// Serves `handler` on `listener` until the [`Server`] is dropped.
///
/// # Errors
/// When the listener cannot be used or the runtime does not start.
pub fn serve(listener: TcpListener, tls: Option<Arc<ServerConfig>>, handler: Handler) -> io::Result<Server> {
    let addr = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new().name("ec2-model".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = stopped => {}
                () = accept(listener, tls.map(TlsAcceptor::from), handler) => {}
            }
        });
        runtime.shutdown_background();
    })?;
    Ok(Server { addr, scheme, stop: Some(stop), thread: Some(thread) })
}

/// A TLS configuration from PEM text: the certificate chain and its key.
///
/// # Errors
/// When either is not PEM, or the two do not fit together.
pub fn tls_config(chain: &[u8], key: &[u8]) -> io::Result<Arc<ServerConfig>> {
    let bad =
        |what: &str, why: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidInput, format!("{what}: {why}"));
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|why| bad("the certificate", &why))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|why| bad("the private key", &why))?;
    // Named, so that no other crate's choice of a default provider matters.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|why| bad("certificate and key", &why))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, handler: Handler) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        // A connection that breaks before it is accepted needs no handling. The pause prevents a busy loop when no file
        // descriptors are left.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Without this the answer would wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let (tls, handler) = (tls.clone(), handler.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(stream, handler).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, handler).await;
                    }
                }
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, handler: Handler) {
    let service = service_fn(move |request| answer(request, handler.clone()));
    // An error here is a lost or cut connection, often one that a fault asked for.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An `Err` makes hyper close the connection.
async fn answer(
    request: hyper::Request<Incoming>,
    handler: Handler,
) -> Result<hyper::Response<Payload>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let request = Request {
        method: head.method.to_string(),
        uri: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.collect().await?.to_bytes().to_vec(),
    };
    let reply = tokio::task::spawn_blocking(move || handler(request)).await?;
    match reply {
        Reply::Answer(response) => render(response, Ending::Whole),
        Reply::Cut(response) => render(response, Ending::Cut),
        Reply::Slow(delay, response) => {
            tokio::time::sleep(delay).await;
            render(response, Ending::Whole)
        }
        Reply::Lost => Err("the fault loses this connection".into()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Whole,
    Cut,
}

fn render(
    response: Response,
    ending: Ending,
) -> Result<hyper::Response<Payload>, Box<dyn std::error::Error + Send + Sync>> {
    let length = response.body.len();
    let mut body = Bytes::from(response.body);
    let payload = match ending {
        Ending::Whole => Payload { length, data: Some(body), cut: None },
        Ending::Cut => {
            body.truncate(length / 2);
            // hyper drops its buffer when a body fails. The pause lets the first half out.
            Payload { length, data: Some(body), cut: Some(Box::pin(tokio::time::sleep(Duration::from_millis(20)))) }
        }
    };
    let mut answer = hyper::Response::new(payload);
    *answer.status_mut() = hyper::StatusCode::from_u16(response.status)?;
    for (name, value) in response.headers {
        answer.headers_mut().append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    Ok(answer)
}

/// A body of known length that may break off before its end.
struct Payload {
    length: usize,
    data: Option<Bytes>,
    cut: Option<Pin<Box<Sleep>>>,
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(data) = self.data.take().filter(|data| !data.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match &mut self.cut {
            None => Poll::Ready(None),
            Some(pause) => {
                ready!(pin!(pause).poll(cx));
                Poll::Ready(Some(Err(io::Error::other("the fault cuts this answer"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.cut.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length as u64)
    }
}

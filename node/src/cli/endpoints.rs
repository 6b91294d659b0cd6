//! The directors that may be asked, as one channel: when one does not answer, the next is asked.
//!
//! ```text
//!   call ──▶ the endpoint that answered last ──▶ answer
//!                 │ no connection, no answer in its share of the time, or "nobody leads"
//!                 ▼
//!            the next one, with the same request id ──▶ … ──▶ the last one has all the time that is left
//! ```
//!
//! A change that is asked for twice is made once: both calls carry the same request id.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

/// How long one endpoint may take to accept a connection before the next is tried. A director that is up answers within
/// milliseconds; one without power never does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one endpoint may take for its first answer before the next is asked: longer than an election or a transfer of
/// the leadership. The last endpoint has all the time that is left.
const FIRST_ANSWER: Duration = Duration::from_secs(3);
/// Most octets of a request: what the directors take. A larger one fails before it is sent.
const MAX_REQUEST: usize = 4 << 20;
/// Methods that start so change nothing.
const READS: [&str; 4] = ["Get", "List", "Watch", "Rescan"];

/// All endpoints; clones share what they learnt.
#[derive(Clone)]
pub struct Endpoints(Arc<Shared>);

struct Shared {
    timeout: Duration,
    all: Vec<Known>,
    /// The one that is asked first: it answered last.
    first: AtomicUsize,
    /// Whether the newest call asked for a change.
    changing: AtomicBool,
}

struct Known {
    text: String,
    channel: Mutex<Option<Channel>>,
}

/// No endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no director answered")]
pub struct NoAnswer {
    /// Each endpoint with its reason.
    pub tried: Vec<(String, String)>,
    /// One of them may have done what was asked.
    pub sent: bool,
}

/// Why one endpoint gave no answer.
struct Silence {
    reason: String,
    sent: bool,
}

/// A call that can be sent more than once.
struct Call {
    head: http::request::Parts,
    body: Bytes,
}

impl NoAnswer {
    /// What is behind a status, if nobody answered.
    pub fn of(status: &Status) -> Option<&Self> {
        status.source()?.downcast_ref()
    }
}

impl Endpoints {
    pub fn new(texts: &[String], timeout: Duration) -> Self {
        let all = texts.iter().map(|text| Known { text: text.clone(), channel: Mutex::default() });
        Self(Arc::new(Shared {
            timeout,
            all: all.collect(),
            first: AtomicUsize::new(0),
            changing: AtomicBool::new(false),
        }))
    }

    /// The endpoint that answered last.
    pub fn current(&self) -> &str {
        let Shared { all, first, .. } = &*self.0;
        all.get(first.load(Ordering::Relaxed)).map_or("a director", |it| &it.text)
    }

    /// Whether the newest call asked for a change.
    pub fn changing(&self) -> bool {
        self.0.changing.load(Ordering::Relaxed)
    }
}

impl Service<Request<Body>> for Endpoints {
    type Response = Response<Body>;
    type Error = NoAnswer;
    type Future = BoxFuture<'static, Result<Response<Body>, NoAnswer>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NoAnswer>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = self.0.clone();
        shared.changing.store(changes(request.uri().path()), Ordering::Relaxed);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            match axum::body::to_bytes(axum::body::Body::new(body), MAX_REQUEST).await {
                Ok(body) => shared.ask(&Call { head, body }).await,
                Err(error) => Err(NoAnswer { tried: vec![("this request".to_owned(), deepest(&error))], sent: false }),
            }
        })
    }
}

/// `/twinrail.v1.LanService/CreateLan` does.
fn changes(path: &str) -> bool {
    let method = path.rsplit('/').next().unwrap_or_default();
    !READS.iter().any(|read| method.starts_with(read))
}

impl Shared {
    /// Asks one after the other, beginning with the one that answered last.
    async fn ask(&self, call: &Call) -> Result<Response<Body>, NoAnswer> {
        let end = Instant::now() + self.timeout;
        let (count, first) = (self.all.len(), self.first.load(Ordering::Relaxed));
        let mut none = NoAnswer { tried: Vec::new(), sent: false };
        for turn in 0..count {
            let (at, others) = ((first + turn) % count, count - turn - 1);
            let left = end.saturating_duration_since(Instant::now());
            let share = if others == 0 { left } else { FIRST_ANSWER.min(left / (others as u32 + 1)) };
            match self.all[at].ask(call, share, others == 0).await {
                Ok(answer) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(Silence { reason, sent }) => {
                    none.sent |= sent;
                    none.tried.push((self.all[at].text.clone(), reason));
                }
            }
        }
        Err(none)
    }
}

impl Known {
    /// The answer, whatever it is if nobody else is there to be asked.
    async fn ask(&self, call: &Call, share: Duration, last: bool) -> Result<Response<Body>, Silence> {
        let end = Instant::now() + share;
        let channel = self.channel(CONNECT_TIMEOUT.min(share)).await.map_err(|reason| Silence { reason, sent: false });
        let request = call.request(end.saturating_duration_since(Instant::now()));
        let answer = timeout_at(end, channel?.oneshot(request)).await;
        let silent = |reason| Silence { reason, sent: true };
        match answer {
            Ok(Ok(answer)) => match refusal(&answer).filter(|_| !last) {
                Some(silence) => Err(silence),
                None => Ok(answer),
            },
            Ok(Err(error)) if Instant::now() < end && !timed_out(&error) => {
                self.channel.lock().take();
                Err(silent(deepest(&error)))
            }
            Ok(Err(_)) | Err(_) => {
                self.channel.lock().take();
                Err(silent(no_answer_within(share)))
            }
        }
    }

    async fn channel(&self, limit: Duration) -> Result<Channel, String> {
        let known = self.channel.lock().clone();
        if let Some(channel) = known {
            return Ok(channel);
        }
        let channel = connect(&self.text, limit).await?;
        Ok(self.channel.lock().insert(channel).clone())
    }
}

impl Call {
    /// As it is sent to one endpoint, which has this time; a call without an end keeps none.
    fn request(&self, time: Duration) -> Request<Body> {
        let mut head = self.head.clone();
        if let Some(timeout) = head.headers.get_mut("grpc-timeout")
            && let Ok(value) = HeaderValue::from_str(&format!("{}m", time.as_millis().clamp(1, 99_999_999)))
        {
            *timeout = value;
        }
        Request::from_parts(head, Body::new(axum::body::Body::from(self.body.clone())))
    }
}

/// Another director may know better when this one knows no leader, or had no time to hear from it.
fn refusal(answer: &Response<Body>) -> Option<Silence> {
    let status = Status::from_header_map(answer.headers())?;
    // What our handlers refuse has details, and of what is unavailable nothing was done.
    let sent = status.code() != Code::Unavailable || status.details().is_empty();
    let elsewhere = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
    elsewhere.then(|| Silence { reason: status.message().to_owned(), sent })
}

async fn connect(text: &str, limit: Duration) -> Result<Channel, String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let endpoint = Endpoint::from_shared(url).map_err(|error| deepest(&error))?.connect_timeout(limit);
    match timeout(limit, endpoint.connect()).await {
        Ok(channel) => channel.map_err(|error| deepest(&error)),
        Err(_) => Err(no_answer_within(limit)),
    }
}

fn no_answer_within(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    format!("no answer within {}", humantime::format_duration(Duration::from_millis(millis)))
}

/// tonic's own clock for the call counts whole milliseconds, and may be a little earlier than ours.
fn timed_out(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&it| it.source());
    causes.any(|it| it.is::<tonic::TimeoutExpired>())
}

/// The root of an error: "transport error" alone helps nobody.
fn deepest(error: &dyn Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use prost_types::{DescriptorProto, FileDescriptorSet};
    use tokio::net::TcpListener;
    use tonic::transport::server::TcpIncoming;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    use twinrail_proto::grpc::FILE_DESCRIPTOR_SET;

    /// Accepts connections and says nothing.
    async fn hung() -> (String, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (format!("http://{}", listener.local_addr().unwrap()), listener)
    }

    async fn alive() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_, health) = tonic_health::server::health_reporter();
        tokio::spawn(
            tonic::transport::Server::builder().add_service(health).serve_with_incoming(TcpIncoming::from(listener)),
        );
        format!("{address}")
    }

    async fn check(endpoints: &Endpoints) -> Result<(), Status> {
        let request = tonic::Request::new(HealthCheckRequest { service: String::new() });
        HealthClient::new(endpoints.clone()).check(request).await.map(|_| ())
    }

    #[tokio::test]
    async fn a_hung_endpoint_costs_its_share_of_the_time_once() {
        let (hung, _listener) = hung().await;
        let endpoints = Endpoints::new(&[hung, alive().await], Duration::from_secs(2));
        let started = Instant::now();
        check(&endpoints).await.unwrap();
        let took = started.elapsed();
        assert!((Duration::from_millis(900)..Duration::from_millis(1900)).contains(&took), "{took:?}");
        check(&endpoints).await.unwrap();
        assert!(started.elapsed() - took < Duration::from_millis(500), "the one that answered is asked first");
    }

    #[tokio::test]
    async fn who_was_tried_is_told_and_whether_something_was_sent() {
        let (hung, listener) = hung().await;
        let endpoints = Endpoints::new(std::slice::from_ref(&hung), Duration::from_millis(100));
        let status = check(&endpoints).await.unwrap_err();
        let none = NoAnswer::of(&status).expect("nobody answered");
        assert!(none.sent);
        assert_eq!((none.tried[0].0.as_str(), none.tried.len()), (hung.as_str(), 1));
        assert!(none.tried[0].1.starts_with("no answer within"), "{}", none.tried[0].1);
        drop(listener);
        let endpoints = Endpoints::new(&[hung], Duration::from_millis(500));
        let status = check(&endpoints).await.unwrap_err();
        assert!(!NoAnswer::of(&status).expect("nobody answered").sent);
    }

    /// What has a request id is a change and can be sent again, and nothing else is.
    #[test]
    fn changes_are_known_by_the_names_of_their_methods() {
        let descriptors = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let ours = || descriptors.file.iter().filter(|file| file.package() == "twinrail.v1");
        let messages: Vec<&DescriptorProto> = ours().flat_map(|file| &file.message_type).collect();
        let methods: Vec<_> = ours().flat_map(|file| &file.service).flat_map(|service| &service.method).collect();
        assert!(methods.len() > 60, "{}", methods.len());
        for method in methods {
            let request = messages.iter().find(|it| method.input_type().ends_with(&format!(".{}", it.name())));
            let has_id = request.unwrap().field.iter().any(|field| field.name() == "request_id");
            assert_eq!(changes(&format!("/twinrail.v1.XService/{}", method.name())), has_id, "{}", method.name());
        }
    }
}

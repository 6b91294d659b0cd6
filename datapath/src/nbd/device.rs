use std::sync::Arc;

use bytes::Bytes;

use super::server::Connection;
use super::{Errno, Request, Tag};

/// What stands behind an export.
pub trait BlockDevice: Send + Sync {
    /// Takes a request over. Never waits: the ticket is completed at once or later, by any thread, in any order. Requests
    /// of one client come in their order; those of several clients come from several threads.
    fn submit(&self, request: Request, ticket: Ticket);
}

/// The duty to answer a request. Dropped without a word, it answers [`Errno::Io`].
#[must_use]
pub struct Ticket {
    to: Option<To>,
}

/// Who waits for the answer.
enum To {
    Client(Arc<Connection>, Tag),
    Caller(Box<dyn FnOnce(Result<Bytes, Errno>) + Send>),
}

impl Ticket {
    pub(super) fn new(connection: Arc<Connection>, tag: Tag) -> Self {
        Self { to: Some(To::Client(connection, tag)) }
    }

    /// For requests that come by another way than NBD. `answer` is called once, by any thread, and must not wait.
    pub fn answering(answer: impl FnOnce(Result<Bytes, Errno>) + Send + 'static) -> Self {
        Self { to: Some(To::Caller(Box::new(answer))) }
    }

    /// A READ is answered with exactly the octets that it asked for, all others with none. Never waits. When the client
    /// is gone, nothing happens.
    pub fn complete(mut self, result: Result<Bytes, Errno>) {
        self.answer(result);
    }

    fn answer(&mut self, result: Result<Bytes, Errno>) {
        match self.to.take() {
            Some(To::Client(connection, tag)) => connection.complete(tag, result),
            Some(To::Caller(answer)) => answer(result),
            None => {}
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.answer(Err(Errno::Io));
    }
}

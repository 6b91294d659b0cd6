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
    connection: Arc<Connection>,
    tag: Option<Tag>,
}

impl Ticket {
    pub(super) fn new(connection: Arc<Connection>, tag: Tag) -> Self {
        Self { connection, tag: Some(tag) }
    }

    /// A READ is answered with exactly the octets that it asked for, all others with none. Never waits. When the client
    /// is gone, nothing happens.
    pub fn complete(mut self, result: Result<Bytes, Errno>) {
        if let Some(tag) = self.tag.take() {
            self.connection.complete(tag, result);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(tag) = self.tag.take() {
            self.connection.complete(tag, Err(Errno::Io));
        }
    }
}

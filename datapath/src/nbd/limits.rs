//! How much a client may ask for, and what happens beyond.

/// READ and WRITE: octets in one request, as "Size constraints" wants it. A longer READ is refused; the data of a longer
/// WRITE is thrown away as it comes, and the request refused.
pub const PAYLOAD: u32 = 32 << 20;

/// Requests that one client may have in flight. What it sends beyond stays in its socket until one is answered.
pub const REQUESTS: usize = 256;

/// Octets that the requests in flight and the unsent replies of one client may hold. At or above, nothing more is taken from
/// the client: so there are never more than this and one request.
pub const OCTETS: usize = 64 << 20;

/// Data of one option. An option with more is refused, its data thrown away. Names have at most 4096 octets
/// ("Conventions"), so this is what nobody needs.
pub const OPTION: u32 = 16 << 10;

/// Options that a client may send before it chooses an export. With one more the connection ends.
pub const OPTIONS: u32 = 256;

/// Octets in a name or a description, as "Conventions" wants it.
pub const STRING: usize = 4096;

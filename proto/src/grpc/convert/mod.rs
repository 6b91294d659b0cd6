//! Between the messages of `twinrail.v1` and the domain types: wire types stop here.
//!
//! ```text
//!   message ──read_*(message, name, at, problems)──▶ Option<domain value>     None: `problems` says why
//!   domain value ──write_*(value, …)──▶ message                               cannot fail
//! ```
//!
//! * Every field of both sides is named in a destructuring without `..`: a new one does not compile until it is handled here.
//! * All wrong fields of a message are reported at once, each with its full path (`template.vnics[eth0].vlan.access`).
//! * Output fields are written, and ignored when read.
//! * Only what can be said without the state is checked here; the state machine checks the rest.

mod adapter;
mod cloud;
mod director;
mod failover;
mod name;
mod path;
mod pool;
mod profile;
mod qos_policy;
mod san;
mod server;
mod stamp;
mod template;

pub use adapter::{
    read_mac_source, read_mtu, read_vlan, read_wwn_source, write_home, write_vhba, write_vlan, write_vnic,
};
pub use cloud::{read_lan, write_lan};
pub use director::{read_director, write_admin_state, write_director, write_director_role};
pub use failover::write_failover;
pub use name::{
    adapter_name, parse_adapter, parse_name, parse_optional_reference, parse_reference, reference, resource_name,
};
pub use path::{FieldError, Path, Problems, clip};
pub use pool::{DEFAULT_QUARANTINE_SECONDS, read_pool, write_pool};
pub use profile::write_profile;
pub use qos_policy::{read_qos_policy, write_qos_policy};
pub use san::{read_luns, read_san, write_luns, write_san};
pub use server::{read_rail_addresses, read_server, write_rail_addresses, write_server};
pub use stamp::{Stamp, duration, etag, parse_etag, timestamp};
pub use template::{read_map, read_template, write_template};

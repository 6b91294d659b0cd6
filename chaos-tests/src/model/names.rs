//! Numbers here, names in the deciding code.

use std::sync::LazyLock;

use twinrail_proto::domain::{AdapterId, Name};

use super::state::Id;

pub const VNIC: AdapterId = AdapterId(1);
pub const VHBA: AdapterId = AdapterId(2);

static NAMES: LazyLock<[[Name; 3]; 2]> = LazyLock::new(|| {
    let name = |kind, number| format!("{kind}{number}").parse().expect("a valid name");
    [["d", "d", "d"], ["s", "s", "s"]].map(|kinds| {
        let mut number = 0;
        kinds.map(|kind| {
            number += 1;
            name(kind, number)
        })
    })
});

static PROFILE: LazyLock<Name> = LazyLock::new(|| "web".parse().expect("a valid name"));

pub fn director(id: Id) -> &'static Name {
    &NAMES[0][usize::from(id)]
}

pub fn server(id: Id) -> &'static Name {
    &NAMES[1][usize::from(id)]
}

pub fn profile() -> &'static Name {
    &PROFILE
}

/// Of a director or a server.
pub fn id(name: &Name) -> Id {
    name.as_str().as_bytes()[1] - b'1'
}

//! The parts of a resource that people think of as things of their own: a profile's adapters, a template's.

use twinrail_proto::domain::{
    Director, FailoverReceipt, Lan, Name, Pool, Profile, QosPolicy, San, Server, Template, Vhba, VhbaTemplate, Vnic,
    VnicTemplate,
};

#[derive(Debug)]
pub(in crate::state) struct Part<'a> {
    pub collection: &'static str,
    pub name: Option<&'a Name>,
    pub value: Value<'a>,
}

/// Borrowed, so that equal parts are skipped before a word is written about them.
#[derive(Debug, PartialEq)]
pub(in crate::state) enum Value<'a> {
    Director(&'a Director),
    Server(&'a Server),
    Lan(&'a Lan),
    San(&'a San),
    Pool(&'a Pool),
    QosPolicy(&'a QosPolicy),
    Template(&'a Template),
    VnicTemplate(&'a VnicTemplate),
    VhbaTemplate(&'a VhbaTemplate),
    Profile(&'a Profile),
    Vnic(&'a Vnic),
    Vhba(&'a Vhba),
    Failover(&'a FailoverReceipt),
}

pub(in crate::state) trait Parts {
    fn parts(&self) -> Vec<Part<'_>>;
}

fn whole(value: Value<'_>) -> Part<'_> {
    Part { collection: "", name: None, value }
}

macro_rules! one_part {
    ($($type:ident => $value:ident),*) => {
        $(impl Parts for $type {
            fn parts(&self) -> Vec<Part<'_>> {
                vec![whole(Value::$value(self))]
            }
        })*
    };
}

one_part!(
    Director => Director, Server => Server, Lan => Lan, San => San, Pool => Pool, QosPolicy => QosPolicy,
    FailoverReceipt => Failover
);

impl Parts for Template {
    fn parts(&self) -> Vec<Part<'_>> {
        let vnics = self.vnics.iter().map(|(name, vnic)| Part {
            collection: "vnics",
            name: Some(name),
            value: Value::VnicTemplate(vnic),
        });
        let vhbas = self.vhbas.iter().map(|(name, vhba)| Part {
            collection: "vhbas",
            name: Some(name),
            value: Value::VhbaTemplate(vhba),
        });
        std::iter::once(whole(Value::Template(self))).chain(vnics).chain(vhbas).collect()
    }
}

impl Parts for Profile {
    fn parts(&self) -> Vec<Part<'_>> {
        let vnics = self.vnics.iter().map(|(name, vnic)| Part {
            collection: "vnics",
            name: Some(name),
            value: Value::Vnic(vnic),
        });
        let vhbas = self.vhbas.iter().map(|(name, vhba)| Part {
            collection: "vhbas",
            name: Some(name),
            value: Value::Vhba(vhba),
        });
        std::iter::once(whole(Value::Profile(self))).chain(vnics).chain(vhbas).collect()
    }
}

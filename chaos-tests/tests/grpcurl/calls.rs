//! Every method with a real request and what must come of it, in the order in which they are called.

/// One call.
pub struct Call {
    /// `LanService/CreateLan`
    pub method: &'static str,
    pub request: &'static str,
    pub expected: Expected,
    /// Words for later calls, with where the answer has them.
    pub remembers: &'static [(&'static str, &'static str)],
}

pub enum Expected {
    /// JSON pointers into the answer, and the JSON that must be there (`null`: nothing).
    Answer(&'static [(&'static str, &'static str)]),
    /// Pieces of the status: its message, the reason, what its details name.
    Refusal(&'static [&'static str]),
}

impl Call {
    const fn remembering(self, remembers: &'static [(&'static str, &'static str)]) -> Self {
        Self { remembers, ..self }
    }

    /// Whether it changes nothing, so that it may be repeated.
    pub fn reads(&self) -> bool {
        let verb = self.method.rsplit('/').next().unwrap_or_default();
        verb.starts_with("Get") || verb.starts_with("List")
    }
}

const fn answers(method: &'static str, request: &'static str, fields: &'static [(&'static str, &'static str)]) -> Call {
    Call { method, request, expected: Expected::Answer(fields), remembers: &[] }
}

const fn refuses(method: &'static str, request: &'static str, pieces: &'static [&'static str]) -> Call {
    Call { method, request, expected: Expected::Refusal(pieces), remembers: &[] }
}

#[rustfmt::skip]
pub const CALLS: &[Call] = &[
    // LANs, and every kind of refusal.
    answers("LanService/CreateLan", r#"{"lanId": "alpha", "lan": {"uplinks": [{"director": "directors/d1", "port": "lan0"}]}}"#, &[("/lan/name", r#""lans/alpha""#), ("/outcome/effects/0/change", r#""CHANGE_TYPE_CREATED""#)]),
    answers("LanService/GetLan", r#"{"name": "lans/alpha"}"#, &[("/uplinks/0/director", r#""directors/d1""#), ("/uplinks/0/port", r#""lan0""#)]),
    answers("LanService/ListLans", "{}", &[("/lans/0/name", r#""lans/alpha""#), ("/lans/1/name", r#""lans/prod""#), ("/totalSize", "2")]),
    refuses("LanService/CreateLan", r#"{"lanId": "alpha", "lan": {}}"#, &["lans/alpha", "ErrorInfo", "RESOURCE_EXISTS"]),
    refuses("LanService/UpdateLan", r#"{"lan": {"name": "lans/alpha", "etag": "1"}}"#, &["ErrorInfo", "STALE_ETAG"]),
    answers("LanService/UpdateLan", r#"{"lan": {"name": "lans/alpha", "uplinks": [{"director": "directors/d2", "port": "lan0"}]}}"#, &[("/lan/uplinks/0/director", r#""directors/d2""#), ("/lan/uplinks/1", "null")]),
    answers("LanService/DeleteLan", r#"{"name": "lans/alpha", "validateOnly": true}"#, &[("/outcome/validateOnly", "true"), ("/outcome/effects/0/change", r#""CHANGE_TYPE_DELETED""#)]),
    answers("LanService/GetLan", r#"{"name": "lans/alpha"}"#, &[("/name", r#""lans/alpha""#)]),
    answers("LanService/DeleteLan", r#"{"name": "lans/alpha", "requestId": "once"}"#, &[("/outcome/replayed", "null")]),
    answers("LanService/DeleteLan", r#"{"name": "lans/alpha", "requestId": "once"}"#, &[("/outcome/replayed", "true")]),
    refuses("LanService/GetLan", r#"{"name": "lans/alpha"}"#, &["there is no LAN 'alpha'", "ErrorInfo", "RESOURCE_NOT_FOUND", "lans/alpha"]),
    refuses("LanService/DeleteLan", r#"{"name": "lans/prod"}"#, &["ErrorInfo", "PreconditionFailure", "templates/web"]),
    refuses("LanService/CreateLan", r#"{"lanId": "No Name", "lan": {}}"#, &["BadRequest", "lan_id"]),

    // SANs, pools, QoS policies.
    answers("SanService/CreateSan", r#"{"sanId": "array", "san": {"uplinks": [{"director": "directors/d1", "port": "iscsi://192.0.2.7:3260/iqn.2026-11.net.example:array"}]}}"#, &[("/san/name", r#""sans/array""#)]),
    answers("SanService/UpdateSan", r#"{"san": {"name": "sans/array", "uplinks": [{"director": "directors/d1", "port": "iscsi://192.0.2.7:3260/iqn.2026-11.net.example:array"}, {"director": "directors/d2", "port": "iscsi://192.0.2.7:3260/iqn.2026-11.net.example:array"}, {"director": "directors/d3", "port": "iscsi://192.0.2.7:3260/iqn.2026-11.net.example:array"}]}}"#, &[("/san/uplinks/2/director", r#""directors/d3""#)]),
    answers("SanService/GetSan", r#"{"name": "sans/array"}"#, &[("/uplinks/1/director", r#""directors/d2""#)]),
    answers("SanService/ListSans", r#"{"staleOk": false}"#, &[("/sans/0/name", r#""sans/array""#), ("/totalSize", "1")]),
    answers("PoolService/CreatePool", r#"{"poolId": "wwns", "pool": {"wwn": {"ranges": [{"first": "50:00:00:00:00:00:01:00", "last": "50:00:00:00:00:00:01:ff"}]}, "quarantine": "60s"}}"#, &[("/pool/name", r#""pools/wwns""#), ("/pool/quarantine", r#""60s""#)]),
    answers("PoolService/GetPool", r#"{"name": "pools/wwns"}"#, &[("/wwn/ranges/0/last", r#""50:00:00:00:00:00:01:ff""#)]),
    answers("PoolService/UpdatePool", r#"{"pool": {"name": "pools/wwns", "wwn": {"ranges": [{"first": "50:00:00:00:00:00:01:00", "last": "50:00:00:00:00:00:02:ff"}]}, "quarantine": "0s"}}"#, &[("/pool/wwn/ranges/0/last", r#""50:00:00:00:00:00:02:ff""#)]),
    answers("PoolService/ListPools", r#"{"pageSize": 1}"#, &[("/pools/0/name", r#""pools/macs""#), ("/pools/1", "null"), ("/totalSize", "2")]),
    answers("QosPolicyService/CreateQosPolicy", r#"{"qosPolicyId": "gold", "qosPolicy": {"minMbps": 100, "maxMbps": 1000}}"#, &[("/qosPolicy/name", r#""qosPolicies/gold""#), ("/qosPolicy/maxMbps", "1000")]),
    answers("QosPolicyService/UpdateQosPolicy", r#"{"qosPolicy": {"name": "qosPolicies/gold", "minMbps": 100, "maxMbps": 2000}}"#, &[("/qosPolicy/maxMbps", "2000")]),
    answers("QosPolicyService/GetQosPolicy", r#"{"name": "qosPolicies/gold"}"#, &[("/minMbps", "100"), ("/maxMbps", "2000")]),
    answers("QosPolicyService/ListQosPolicies", "{}", &[("/qosPolicies/0/name", r#""qosPolicies/gold""#)]),
    refuses("QosPolicyService/CreateQosPolicy", r#"{"qosPolicyId": "bad", "qosPolicy": {"minMbps": 2, "maxMbps": 1}}"#, &["BadRequest", "qos_policy.min_mbps"]),

    // A template, a profile made from it, its adapters.
    answers("TemplateService/CreateTemplate", r#"{"templateId": "db", "template": {"mode": "TEMPLATE_MODE_UPDATING", "vnics": {"eth0": {"lan": "lans/prod", "macPool": "pools/macs"}}, "vhbas": {"hba0": {"san": "sans/array", "wwnPool": "pools/wwns"}}}}"#, &[("/template/name", r#""templates/db""#)]),
    answers("TemplateService/GetTemplate", r#"{"name": "templates/db"}"#, &[("/vhbas/hba0/wwnPool", r#""pools/wwns""#)]),
    answers("TemplateService/ListTemplates", "{}", &[("/templates/0/name", r#""templates/db""#), ("/totalSize", "2")]),
    answers("ProfileService/CreateProfile", r#"{"profileId": "db-1", "profile": {"template": "templates/db"}}"#, &[("/profile/name", r#""profiles/db-1""#), ("/profile/vhbas/hba0/wwpn", r#""50:00:00:00:00:00:01:00""#)]),
    answers("TemplateService/UpdateTemplate", r#"{"template": {"name": "templates/db", "mode": "TEMPLATE_MODE_UPDATING", "vnics": {"eth0": {"lan": "lans/prod", "macPool": "pools/macs", "mtu": 1400}}, "vhbas": {"hba0": {"san": "sans/array", "wwnPool": "pools/wwns", "qosPolicy": "qosPolicies/gold"}}}}"#, &[("/template/vnics/eth0/mtu", "1400")]),
    answers("ProfileService/GetProfile", r#"{"name": "profiles/db-1"}"#, &[("/vnics/eth0/mtu", "1400"), ("/vhbas/hba0/qosPolicy", r#""qosPolicies/gold""#)]),
    refuses("ProfileService/GetProfile", r#"{"name": "profiles/none"}"#, &["ErrorInfo", "RESOURCE_NOT_FOUND", "profiles/none"]),
    answers("ProfileService/ListProfiles", "{}", &[("/profiles/0/name", r#""profiles/db-1""#), ("/profiles/1/name", r#""profiles/web-1""#)]),
    answers("VnicService/CreateVnic", r#"{"parent": "profiles/db-1", "vnicId": "eth9", "vnic": {"lan": "lans/prod", "fixedMac": "02:00:5e:10:00:01"}}"#, &[("/vnic/name", r#""profiles/db-1/vnics/eth9""#), ("/vnic/mac", r#""02:00:5e:10:00:01""#)]),
    refuses("VnicService/CreateVnic", r#"{"parent": "profiles/db-1", "vnicId": "eth8", "vnic": {"lan": "lans/prod", "fixedMac": "02:00:5e:10:00:01"}}"#, &["ErrorInfo", "profiles/db-1/vnics/eth9"]),
    answers("VnicService/UpdateVnic", r#"{"vnic": {"name": "profiles/db-1/vnics/eth9", "lan": "lans/prod", "fixedMac": "02:00:5e:10:00:02", "vlan": {"access": 7}}}"#, &[("/vnic/mac", r#""02:00:5e:10:00:02""#), ("/vnic/vlan/access", "7")]),
    answers("VnicService/GetVnic", r#"{"name": "profiles/db-1/vnics/eth9"}"#, &[("/vlan/access", "7")]),
    answers("VnicService/ListVnics", r#"{"parent": "profiles/db-1"}"#, &[("/vnics/0/name", r#""profiles/db-1/vnics/eth0""#), ("/vnics/1/name", r#""profiles/db-1/vnics/eth9""#)]),
    answers("VnicService/DeleteVnic", r#"{"name": "profiles/db-1/vnics/eth9"}"#, &[("/outcome/effects/0/change", r#""CHANGE_TYPE_DELETED""#)]),
    refuses("VnicService/GetVnic", r#"{"name": "profiles/db-1/vnics/eth9"}"#, &["RESOURCE_NOT_FOUND"]),
    answers("VhbaService/CreateVhba", r#"{"parent": "profiles/db-1", "vhbaId": "hba1", "vhba": {"san": "sans/array", "wwnPool": "pools/wwns"}}"#, &[("/vhba/wwpn", r#""50:00:00:00:00:00:01:02""#)]),
    answers("VhbaService/UpdateVhba", r#"{"vhba": {"name": "profiles/db-1/vhbas/hba1", "san": "sans/array", "wwnPool": "pools/wwns", "qosPolicy": "qosPolicies/gold"}}"#, &[("/vhba/qosPolicy", r#""qosPolicies/gold""#), ("/vhba/wwpn", r#""50:00:00:00:00:00:01:02""#)]),
    answers("VhbaService/GetVhba", r#"{"name": "profiles/db-1/vhbas/hba1"}"#, &[("/wwnn", r#""50:00:00:00:00:00:01:03""#)]),
    answers("VhbaService/ListVhbas", r#"{"parent": "profiles/db-1"}"#, &[("/vhbas/1/name", r#""profiles/db-1/vhbas/hba1""#)]),
    answers("VhbaService/DeleteVhba", r#"{"name": "profiles/db-1/vhbas/hba1"}"#, &[("/outcome/effects/0/change", r#""CHANGE_TYPE_DELETED""#)]),

    // Servers; the profile goes to one, to another, and away.
    answers("ServerService/CreateServer", r#"{"serverId": "s9", "server": {"spare": true}}"#, &[("/server/name", r#""servers/s9""#)]),
    answers("ServerService/UpdateServer", r#"{"server": {"name": "servers/s9", "maxAdapters": 3}}"#, &[("/server/maxAdapters", "3")]),
    answers("ServerService/GetServer", r#"{"name": "servers/s9"}"#, &[("/maxAdapters", "3")]),
    answers("ServerService/ListServers", "{}", &[("/servers/4/name", r#""servers/s9""#), ("/totalSize", "5")]),
    answers("ServerService/DeleteServer", r#"{"name": "servers/s9"}"#, &[("/outcome/effects/0/resource", r#""servers/s9""#)]),
    answers("ProfileService/DeployProfile", r#"{"name": "profiles/db-1", "server": "servers/s2"}"#, &[("/profile/binding/server", r#""servers/s2""#)]),
    refuses("ProfileService/DeployProfile", r#"{"name": "profiles/db-1", "server": "servers/s3"}"#, &["PreconditionFailure", "PROFILE_ALREADY_BOUND"]),
    answers("ProfileService/MoveProfile", r#"{"name": "profiles/db-1", "server": "servers/s3"}"#, &[("/profile/binding/target", r#""servers/s3""#)]),
    answers("ProfileService/GetProfile", r#"{"name": "profiles/db-1"}"#, &[("/binding/server", r#""servers/s3""#), ("/binding/state", r#""BINDING_STATE_ACTIVE""#)]),

    // Homes.
    answers("VnicService/GetVnic", r#"{"name": "profiles/web-1/vnics/eth0"}"#, &[]).remembering(&[("home", "/home/director")]),
    answers("VnicService/MoveVnicHome", r#"{"name": "profiles/web-1/vnics/eth0", "director": "directors/{not:home}"}"#, &[("/vnic/home/director", r#""directors/{not:home}""#)]),
    answers("VnicService/GetVnic", r#"{"name": "profiles/web-1/vnics/eth0"}"#, &[("/home/director", r#""directors/{not:home}""#)]),
    answers("VhbaService/GetVhba", r#"{"name": "profiles/db-1/vhbas/hba0"}"#, &[]).remembering(&[("home", "/home/director")]),
    answers("VhbaService/RescanVhba", r#"{"name": "profiles/db-1/vhbas/hba0"}"#, &[("/vhba/session/director", r#""directors/{home}""#), ("/vhba/session/phase", r#""login""#)]),
    refuses("VhbaService/RescanVhba", r#"{"name": "profiles/db-1/vhbas/hba9"}"#, &["ErrorInfo", "hba9"]),
    answers("VhbaService/MoveVhbaHome", r#"{"name": "profiles/db-1/vhbas/hba0", "director": "directors/{not:home}"}"#, &[("/vhba/home/director", r#""directors/{not:home}""#)]),
    answers("FailoverService/ListFailovers", r#"{"pageSize": 1}"#, &[("/failovers/0/moves/0/resource", r#""profiles/db-1/vhbas/hba0""#), ("/failovers/0/moves/0/from", r#""directors/{home}""#)]).remembering(&[("failover", "/failovers/0/name")]),
    answers("FailoverService/GetFailover", r#"{"name": "failovers/{failover}"}"#, &[("/moves/0/to", r#""directors/{not:home}""#), ("/operator", "{}")]),
    refuses("FailoverService/GetFailover", r#"{"name": "failovers/f-0"}"#, &["ErrorInfo", "RESOURCE_NOT_FOUND"]),
    answers("ProfileService/UndeployProfile", r#"{"name": "profiles/db-1"}"#, &[("/profile/binding/state", r#""BINDING_STATE_RELEASING""#)]),
    answers("ProfileService/GetProfile", r#"{"name": "profiles/db-1"}"#, &[("/binding", "null")]),
    answers("ProfileService/DeleteProfile", r#"{"name": "profiles/db-1"}"#, &[("/outcome/effects/0/resource", r#""profiles/db-1""#)]),
    answers("TemplateService/DeleteTemplate", r#"{"name": "templates/db"}"#, &[("/outcome/effects/0/resource", r#""templates/db""#)]),
    answers("QosPolicyService/DeleteQosPolicy", r#"{"name": "qosPolicies/gold"}"#, &[("/outcome/effects/0/resource", r#""qosPolicies/gold""#)]),
    answers("SanService/DeleteSan", r#"{"name": "sans/array"}"#, &[("/outcome/effects/0/resource", r#""sans/array""#)]),
    answers("PoolService/DeletePool", r#"{"name": "pools/wwns"}"#, &[("/outcome/effects/0/resource", r#""pools/wwns""#)]),

    // Directors and the cluster.
    answers("DirectorService/ListDirectors", "{}", &[("/directors/2/name", r#""directors/d3""#), ("/totalSize", "3")]),
    answers("DirectorService/CreateDirector", r#"{"directorId": "d9", "director": {"id": "9", "role": "DIRECTOR_ROLE_WITNESS", "rails": {"a": "10.71.1.9", "b": "10.72.1.9"}, "apiAddress": "10.71.1.9:7400"}}"#, &[("/director/id", r#""9""#)]),
    answers("DirectorService/UpdateDirector", r#"{"director": {"name": "directors/d9", "id": "9", "role": "DIRECTOR_ROLE_SPARE", "adminState": "ADMIN_STATE_ENABLED", "rails": {"a": "10.71.1.9", "b": "10.72.1.9"}, "apiAddress": "d9.example:7400"}}"#, &[("/director/apiAddress", r#""d9.example:7400""#)]),
    answers("DirectorService/GetDirector", r#"{"name": "directors/d9"}"#, &[("/role", r#""DIRECTOR_ROLE_SPARE""#), ("/rails/b", r#""10.72.1.9""#)]),
    answers("DirectorService/DeleteDirector", r#"{"name": "directors/d9"}"#, &[("/outcome/effects/0/change", r#""CHANGE_TYPE_DELETED""#)]),
    refuses("DirectorService/CreateDirector", r#"{"directorId": "d8", "director": {"id": "9", "role": "DIRECTOR_ROLE_WITNESS", "rails": {"a": "10.71.1.9", "b": "10.72.1.9"}, "apiAddress": "10.71.1.9:7400"}}"#, &["ErrorInfo", "DIRECTOR_ID_TAKEN"]),
    answers("VnicService/GetVnic", r#"{"name": "profiles/web-1/vnics/eth0"}"#, &[]).remembering(&[("home", "/home/director")]),
    answers("DirectorService/DrainDirector", r#"{"name": "directors/{home}"}"#, &[("/director/adminState", r#""ADMIN_STATE_DRAINED""#)]),
    answers("DirectorService/DrainDirector", r#"{"name": "directors/{not:home}"}"#, &[("/director/adminState", r#""ADMIN_STATE_DRAINED""#)]),
    answers("VnicService/ListVnics", r#"{"parent": "profiles/web-1"}"#, &[("/vnics/0/home/director", r#""directors/{neither:home}""#), ("/vnics/1/home/director", r#""directors/{neither:home}""#)]),
    answers("DirectorService/ResumeDirector", r#"{"name": "directors/{home}"}"#, &[("/director/adminState", r#""ADMIN_STATE_ENABLED""#)]),
    answers("DirectorService/ResumeDirector", r#"{"name": "directors/{not:home}"}"#, &[("/director/adminState", r#""ADMIN_STATE_ENABLED""#)]),
    answers("ClusterService/Rebalance", "{}", &[("/outcome/effects/0/field", r#""home""#)]),
    answers("FailoverService/ListFailovers", r#"{"pageSize": 1}"#, &[("/failovers/0/rebalance", "{}"), ("/failovers/0/moves/0/from", r#""directors/{neither:home}""#), ("/failovers/0/moves/1", "null")]),
    answers("DirectorService/TransferLeadership", r#"{"name": "directors/{asked}"}"#, &[]),
    answers("ClusterService/GetCluster", r#"{"withStateHash": true}"#, &[("/name", r#""lab""#), ("/leader", r#""directors/{asked}""#), ("/answeredBy", r#""directors/{asked}""#), ("/boundAdapters", "2"), ("/directors/2/alive", "true")]),
    answers("ClusterService/ListPaths", r#"{"peer": "servers/s1"}"#, &[("/paths/0/director", r#""directors/{asked}""#), ("/paths/0/peer", r#""servers/s1""#), ("/paths/1/up", "true")]),
    answers("ClusterService/ListAuditEntries", r#"{"resourcePrefix": "lans/alpha"}"#, &[("/entries/0/resource", r#""lans/alpha""#), ("/totalSize", "3")]),
];

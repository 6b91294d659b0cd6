//! Adapters on the command line: `eth0,lan=prod,mac-pool=macs,vlan=10,mtu=9000,qos=gold`.

use std::collections::BTreeMap;

use twinrail_proto::domain::ResourceKind;
use twinrail_proto::grpc::v1;

use super::failure::Failure;
use super::text::{full, full_or_nothing, short};

/// The words of one adapter: its name, then `key=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    name: String,
    values: BTreeMap<String, String>,
}

/// The vNIC of a template or profile, as given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VnicWords(Words);

/// The vHBA of a template or profile, as given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VhbaWords(Words);

const VNIC_KEYS: &[&str] = &["lan", "mac-pool", "mac", "vlan", "trunk", "mtu", "qos"];
const VHBA_KEYS: &[&str] = &["san", "wwn-pool", "wwpn", "wwnn", "qos", "luns", "boot-lun"];

/// For clap.
pub fn vnic_words(text: &str) -> Result<VnicWords, String> {
    let words = parse(text, VNIC_KEYS)?;
    words.number("vlan")?;
    words.mtu()?;
    words.numbers("trunk")?;
    Ok(VnicWords(words))
}

/// For clap.
pub fn vhba_words(text: &str) -> Result<VhbaWords, String> {
    let words = parse(text, VHBA_KEYS)?;
    words.numbers("luns")?;
    words.number("boot-lun")?;
    Ok(VhbaWords(words))
}

/// An MTU, for clap. None to be given is the default; 0 is none.
pub fn mtu(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("an MTU of 0; 1280 to 9000 octets are allowed, and without one a new vNIC gets 1500".to_owned()),
        Ok(octets) => Ok(octets),
        Err(_) => Err(format!("mtu={text} is no number")),
    }
}

/// What a flag that may be repeated gave, by name: a name that is given twice would lose the first.
pub fn by_name<T>(flag: &str, given: impl IntoIterator<Item = (String, T)>) -> Result<BTreeMap<String, T>, Failure> {
    let mut all = BTreeMap::new();
    for (name, value) in given {
        if all.contains_key(&name) {
            return Err(Failure::Usage(format!("{flag} names {} twice; name it once", short(&name))));
        }
        all.insert(name, value);
    }
    Ok(all)
}

/// Refuses a name that one flag gives and another takes away.
pub fn not_both<T>(flag: &str, given: &BTreeMap<String, T>, removed: &[String]) -> Result<(), Failure> {
    match removed.iter().find(|name| given.contains_key(*name)) {
        Some(name) => {
            Err(Failure::Usage(format!("{} is given by --{flag} and taken away by --remove-{flag}", short(name))))
        }
        None => Ok(()),
    }
}

/// `d1=lan0`, for clap.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected DIRECTOR=PORT, as d1=lan0".to_owned()),
    }
}

/// `FIRST-LAST`, where both ends are written alike and may hold hyphens themselves. For clap.
pub fn range(text: &str) -> Result<(String, String), String> {
    let expected = || "expected FIRST-LAST, both written alike, as 02:00:5e:00:00:00-02:00:5e:00:ff:ff".to_owned();
    let middle = text.len() / 2;
    let (first, last) = text.split_at_checked(middle).ok_or_else(expected)?;
    match last.strip_prefix('-') {
        Some(last) if first.len() == last.len() && !first.is_empty() => Ok((first.to_owned(), last.to_owned())),
        _ => Err(expected()),
    }
}

fn parse(text: &str, keys: &[&str]) -> Result<Words, String> {
    let mut parts = text.split(',').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty() && !name.contains('='));
    let name = name.ok_or_else(|| format!("starts with the adapter's name, then has {}", keys.join("=…, ") + "=…"))?;
    let mut values = BTreeMap::new();
    for part in parts {
        let (key, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is no key=value"))?;
        if !keys.contains(&key) {
            return Err(format!("{key:?} is no key here; there are {}", keys.join(", ")));
        }
        if values.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(format!("{key} is there twice"));
        }
    }
    Ok(Words { name: name.to_owned(), values })
}

impl Words {
    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    fn number(&self, key: &str) -> Result<Option<u32>, String> {
        let parse = |text: &str| text.parse().map_err(|_| format!("{key}={text} is no number"));
        self.get(key).map(parse).transpose()
    }

    fn mtu(&self) -> Result<Option<u32>, String> {
        self.get("mtu").map(mtu).transpose()
    }

    /// `trunk=10+20`, as the comma is taken.
    fn numbers(&self, key: &str) -> Result<Option<Vec<u32>>, String> {
        let parse = |text: &str| {
            let numbers = text.split('+').map(|it| it.parse().map_err(|_| format!("{key}: {it:?} is no number")));
            numbers.collect()
        };
        self.get(key).map(parse).transpose()
    }

    fn qos(&self) -> String {
        full_or_nothing(ResourceKind::QosPolicy, self.get("qos"))
    }
}

/// One of native, access and trunk.
pub fn vlan(access: Option<u32>, trunk: Option<Vec<u32>>) -> Result<Option<v1::Vlan>, String> {
    let mode = match (access, trunk) {
        (None, None) => return Ok(None),
        (Some(vlan), None) => v1::vlan::Mode::Access(vlan),
        (None, Some(vlans)) => v1::vlan::Mode::Trunk(v1::vlan::Trunk { vlans }),
        (Some(_), Some(_)) => return Err("a vNIC has one VLAN (vlan) or several (trunk), not both".to_owned()),
    };
    Ok(Some(v1::Vlan { mode: Some(mode) }))
}

pub fn mac_source(mac: Option<&str>, pool: Option<&str>) -> Result<Option<v1::vnic::MacSource>, String> {
    match (mac, pool) {
        (None, None) => Ok(None),
        (Some(mac), None) => Ok(Some(v1::vnic::MacSource::FixedMac(mac.to_owned()))),
        (None, Some(pool)) => Ok(Some(v1::vnic::MacSource::MacPool(full(ResourceKind::Pool, pool)))),
        (Some(_), Some(_)) => Err("a MAC is drawn (mac-pool) or given (mac), not both".to_owned()),
    }
}

pub fn wwn_source(
    wwpn: Option<&str>,
    wwnn: Option<&str>,
    pool: Option<&str>,
) -> Result<Option<v1::vhba::WwnSource>, String> {
    match (wwpn, wwnn, pool) {
        (None, None, None) => Ok(None),
        (None, None, Some(pool)) => Ok(Some(v1::vhba::WwnSource::WwnPool(full(ResourceKind::Pool, pool)))),
        (Some(wwpn), Some(wwnn), None) => {
            let (wwpn, wwnn) = (wwpn.to_owned(), wwnn.to_owned());
            Ok(Some(v1::vhba::WwnSource::FixedWwns(v1::FixedWwns { wwpn, wwnn })))
        }
        _ => Err("world-wide names are drawn (wwn-pool) or both given (wwpn and wwnn)".to_owned()),
    }
}

impl VnicWords {
    pub fn template(&self) -> Result<(String, v1::VnicTemplate), String> {
        let Self(words) = self;
        if words.get("mac").is_some() {
            return Err(format!("{}: a template gives no MAC of its own; name a mac-pool", words.name));
        }
        let vnic = v1::VnicTemplate {
            lan: full_or_nothing(ResourceKind::Lan, words.get("lan")),
            vlan: vlan(words.number("vlan")?, words.numbers("trunk")?)?,
            mtu: words.mtu()?,
            qos_policy: words.qos(),
            mac_pool: full_or_nothing(ResourceKind::Pool, words.get("mac-pool")),
        };
        Ok((words.name.clone(), vnic))
    }

    pub fn vnic(&self) -> Result<(String, v1::Vnic), String> {
        let Self(words) = self;
        let vnic = v1::Vnic {
            mac_source: mac_source(words.get("mac"), words.get("mac-pool"))?,
            lan: full_or_nothing(ResourceKind::Lan, words.get("lan")),
            vlan: vlan(words.number("vlan")?, words.numbers("trunk")?)?,
            mtu: words.mtu()?,
            qos_policy: words.qos(),
            ..Default::default()
        };
        Ok((words.name.clone(), vnic))
    }
}

impl VhbaWords {
    pub fn template(&self) -> Result<(String, v1::VhbaTemplate), String> {
        let Self(words) = self;
        if words.get("wwpn").or(words.get("wwnn")).is_some() {
            return Err(format!("{}: a template gives no world-wide names of its own; name a wwn-pool", words.name));
        }
        let vhba = v1::VhbaTemplate {
            san: full_or_nothing(ResourceKind::San, words.get("san")),
            qos_policy: words.qos(),
            wwn_pool: full_or_nothing(ResourceKind::Pool, words.get("wwn-pool")),
            lun_mask: words.numbers("luns")?.unwrap_or_default(),
            boot_lun: words.number("boot-lun")?,
        };
        Ok((words.name.clone(), vhba))
    }

    pub fn vhba(&self) -> Result<(String, v1::Vhba), String> {
        let Self(words) = self;
        let vhba = v1::Vhba {
            wwn_source: wwn_source(words.get("wwpn"), words.get("wwnn"), words.get("wwn-pool"))?,
            san: full_or_nothing(ResourceKind::San, words.get("san")),
            qos_policy: words.qos(),
            lun_mask: words.numbers("luns")?.unwrap_or_default(),
            boot_lun: words.number("boot-lun")?,
            ..Default::default()
        };
        Ok((words.name.clone(), vhba))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vnic_in_words() {
        let words = vnic_words("eth0,lan=prod,mac-pool=macs,vlan=10,mtu=9000,qos=gold").unwrap();
        let (name, vnic) = words.template().unwrap();
        let expected = v1::VnicTemplate {
            lan: "lans/prod".into(),
            vlan: Some(v1::Vlan { mode: Some(v1::vlan::Mode::Access(10)) }),
            mtu: Some(9000),
            qos_policy: "qosPolicies/gold".into(),
            mac_pool: "pools/macs".into(),
        };
        assert_eq!((name.as_str(), vnic), ("eth0", expected));
        let (_, vnic) = vnic_words("eth0,lan=prod,mac=02:00:00:00:00:01,trunk=10+20").unwrap().vnic().unwrap();
        assert_eq!(vnic.mac_source, Some(v1::vnic::MacSource::FixedMac("02:00:00:00:00:01".into())));
        let trunk = v1::vlan::Trunk { vlans: vec![10, 20] };
        assert_eq!(vnic.vlan, Some(v1::Vlan { mode: Some(v1::vlan::Mode::Trunk(trunk)) }));
    }

    #[test]
    fn a_vhba_in_words() {
        let (name, vhba) = vhba_words("hba0,san=array,wwn-pool=wwns").unwrap().template().unwrap();
        assert_eq!((name.as_str(), vhba.san.as_str(), vhba.wwn_pool.as_str()), ("hba0", "sans/array", "pools/wwns"));
        assert!(vhba_words("hba0,san=array,wwpn=5001438000000001").unwrap().vhba().is_err(), "both names or none");
    }

    #[test]
    fn wrong_words_are_named() {
        for (text, part) in [
            ("", "adapter's name"),
            ("lan=prod", "adapter's name"),
            ("eth0,lan", "key=value"),
            ("eth0,vlna=10", "\"vlna\""),
            ("eth0,lan=a,lan=b", "lan is there twice"),
            ("eth0,mtu=big", "mtu=big"),
            ("eth0,mtu=0", "an MTU of 0"),
            ("eth0,trunk=10+x", "\"x\""),
        ] {
            let said = vnic_words(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
        assert!(vnic_words("eth0,mac=02:00:00:00:00:01").unwrap().template().unwrap_err().contains("mac-pool"));
        assert!(vnic_words("eth0,vlan=1,trunk=2+3").unwrap().template().unwrap_err().contains("not both"));
        assert!(vnic_words("eth0,mac=x,mac-pool=y").unwrap().vnic().unwrap_err().contains("not both"));
    }

    #[test]
    fn a_name_is_given_once_and_not_taken_away_at_once() {
        let twice = by_name("--vnic", [("eth0".to_owned(), 1), ("eth0".to_owned(), 2)]);
        assert!(matches!(twice, Err(Failure::Usage(said)) if said.contains("--vnic names eth0 twice")));
        let once = by_name("--vnic", [("eth0".to_owned(), 1), ("eth1".to_owned(), 2)]).unwrap();
        assert_eq!(once.len(), 2);
        assert!(not_both("vnic", &once, &["eth2".to_owned()]).is_ok());
        let both = not_both("vnic", &once, &["eth1".to_owned()]);
        assert!(matches!(both, Err(Failure::Usage(said)) if said.contains("--vnic and taken away by --remove-vnic")));
    }

    #[test]
    fn ranges_split_in_the_middle_however_they_are_written() {
        for text in
            ["020000000000-0200000000ff", "02:00:00:00:00:00-02:00:00:00:00:ff", "02-00-00-00-00-00-02-00-00-00-00-ff"]
        {
            let (first, last) = range(text).unwrap();
            assert_eq!(first.len(), last.len());
            assert!(last.ends_with("ff"), "{last}");
        }
        for bad in ["", "-", "020000000000", "02:00-0200", "aü-b"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_uplink_is_a_pair() {
        assert_eq!(pair("d1=lan0"), Ok(("d1".into(), "lan0".into())));
        assert_eq!(pair("d1=iscsi://x?a=b").unwrap().1, "iscsi://x?a=b");
        assert!(pair("lan0").is_err() && pair("=x").is_err() && pair("d1=").is_err());
    }
}

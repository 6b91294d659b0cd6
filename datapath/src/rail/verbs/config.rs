/// How a rail over RDMA verbs is reached. What is left out is found: the device and the GID by the rail's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerbsConfig {
    /// The RDMA device; None: the one that the rail's address belongs to.
    pub device: Option<String>,
    pub port: Option<u8>,
    /// Which of the port's GIDs packets come from; None: the one of the rail's address, on InfiniBand none (LIDs alone).
    pub gid_index: Option<u8>,
    pub service_level: u8,
    pub traffic_class: u8,
    pub pkey_index: u16,
    /// Packets of at most so many octets; None: as large as the port takes.
    pub mtu: Option<u32>,
    /// Buffers for what comes in, for all paths of the rail together. Each is locked memory of 68 KiB.
    pub receives: u16,
}

impl VerbsConfig {
    /// Enough for a director with 300 servers: rail::verbs says what that costs.
    pub const DEFAULT_RECEIVES: u16 = 1024;
    /// With fewer a single path would not have its smallest window.
    pub const FEWEST_RECEIVES: u16 = 64;
    pub const MTUS: [u32; 5] = [256, 512, 1024, 2048, 4096];

    /// As verbs code an MTU; None: no port has it.
    pub fn mtu_code(mtu: u32) -> Option<u8> {
        Self::MTUS.iter().position(|&it| it == mtu).map(|at| at as u8 + 1)
    }
}

impl Default for VerbsConfig {
    fn default() -> Self {
        Self {
            device: None,
            port: None,
            gid_index: None,
            service_level: 0,
            traffic_class: 0,
            pkey_index: 0,
            mtu: None,
            receives: Self::DEFAULT_RECEIVES,
        }
    }
}

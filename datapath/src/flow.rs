//! Which rail a flow takes: the same for all its frames, so that they stay in order, and different flows on both rails.

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// A number for the flow of an Ethernet frame: from addresses and ports where it has them, else from its MACs. Fragments
/// of IPv4 packets count without ports, so that they stay together.
pub fn flow_hash(frame: &[u8]) -> u32 {
    let mut hash = mix(0, octets(frame, 0, 12));
    let mut at = 12;
    let mut kind = word(frame, at);
    if kind == Some(VLAN) {
        at += 4;
        kind = word(frame, at);
    }
    hash = match kind {
        Some(IPV4) => mix_ipv4(hash, frame.get(at + 2..).unwrap_or_default()),
        Some(IPV6) => mix_ipv6(hash, frame.get(at + 2..).unwrap_or_default()),
        _ => hash,
    };
    // The low bits decide; the multiplications carry everything upwards.
    (hash ^ hash >> 32) as u32 ^ (hash >> 17) as u32
}

fn mix_ipv4(hash: u64, packet: &[u8]) -> u64 {
    let hash = mix(hash, octets(packet, 12, 8));
    let header = packet.first().map_or(0, |it| usize::from(it & 15) * 4);
    let fragment = word(packet, 6).is_none_or(|it| it & 0x3fff != 0);
    match packet.get(9) {
        Some(&(TCP | UDP)) if !fragment => mix(hash, octets(packet, header, 4)),
        _ => hash,
    }
}

fn mix_ipv6(hash: u64, packet: &[u8]) -> u64 {
    let hash = mix(hash, octets(packet, 8, 32));
    match packet.get(6) {
        Some(&(TCP | UDP)) => mix(hash, octets(packet, 40, 4)),
        _ => hash,
    }
}

fn mix(hash: u64, octets: &[u8]) -> u64 {
    octets.chunks(8).fold(hash, |hash, chunk| {
        let number = chunk.iter().fold(0, |number: u64, &octet| number << 8 | u64::from(octet));
        (hash.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

fn octets(bytes: &[u8], at: usize, length: usize) -> &[u8] {
    bytes.get(at..at + length).unwrap_or_default()
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|it| u16::from_be_bytes([it[0], it[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(port: u16, payload: u8) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
        frame.extend_from_slice(&[0x45, 0, 0, 29, 0, 0, 0, 0, 64, UDP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend_from_slice(&port.to_be_bytes());
        frame.extend_from_slice(&[0, 53, 0, 9, 0, 0, payload]);
        frame
    }

    #[test]
    fn a_flow_stays_together_and_flows_spread() {
        assert_eq!(flow_hash(&udp(1000, 1)), flow_hash(&udp(1000, 2)));
        let on_b = (1000..1200).filter(|&port| flow_hash(&udp(port, 0)) & 1 == 1).count();
        assert!((60..140).contains(&on_b), "{on_b} of 200 flows on one rail");
    }

    #[test]
    fn fragments_count_without_ports() {
        let mut first = udp(1000, 0);
        first[20] = 0x20;
        let mut second = udp(2000, 0);
        second[20] = 0x00;
        second[21] = 0xb9;
        assert_eq!(flow_hash(&first), flow_hash(&second));
    }

    #[test]
    fn any_frame_has_a_flow() {
        let frame = udp(1, 1);
        for length in 0..frame.len() {
            flow_hash(&frame[..length]);
        }
    }
}

//! `STAY=1`: the lab stays up, and this says what to type.

use anyhow::Result;

use crate::lab::Lab;

pub fn print(lab: &Lab) -> Result<()> {
    let director = lab.namespace("d1")?.name();
    let server = lab.namespace("s1")?.name();
    let twinrail = lab.programs.twinrail()?.display();
    println!("\nThe lab stays up until Ctrl-C. In another terminal, as root:\n");
    println!("  the command line      ip netns exec {director} {twinrail} cluster show");
    println!("                        ip netns exec {director} {twinrail} vnic list");
    println!("                        ip netns exec {director} {twinrail} failover list");
    println!("                        ip netns exec {director} {twinrail} director drain d2");
    println!("  the API               ip netns exec {director} target/tools/grpcurl -plaintext 127.0.0.1:7400 list");
    println!("                        ip netns exec {director} target/tools/grpcurl -plaintext 127.0.0.1:7400 \\");
    println!("                            twinrail.v1.ProfileService/ListProfiles");
    println!("  inside server s1      ip netns exec {server} bash");
    println!("                        ip netns exec {server} ping -I eth0 10.70.0.1");
    println!("  metrics               ip netns exec {director} curl -s 127.0.0.1:7401/metrics");
    println!("  logs and settings     {}", lab.run_dir().display());
    Ok(())
}

#![allow(clippy::unwrap_used)]
use patchbay_relay::engine::xdp::{Driver, XdpConfig};

#[test]
fn quick() {
    let (mut driver, mut mirror) = Driver::load(&XdpConfig::default()).unwrap();
    let mut out = [0; 2048];
    println!("{:?}", driver.run(&[0; 64], &mut out, 1));
    println!("{:?}", mirror.fates());
}

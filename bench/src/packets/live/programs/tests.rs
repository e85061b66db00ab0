//! The kernel takes the programs.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::packets::tests::needs;

#[test]
fn the_kernel_takes_the_programs() {
    if !needs::root() {
        return;
    }
    let mut gun = Gun::load(3, 1).unwrap();
    let entry = [7; 64];
    gun.set_way(2, &entry).unwrap();
    assert_eq!(gun.way(2).unwrap(), entry);
    assert!(gun.set_way(3, &entry).is_err());
    let orders = Control {
        burst: 4,
        limit: 40,
        interval: 2048,
        duration: 1000,
        ..Control::default()
    };
    assert_eq!(orders.time(), 20);
    gun.order(1, &orders).unwrap();
    assert_eq!(gun.state(1).unwrap(), Control::default());
    let sink = Sink::load(1, 2).unwrap();
    assert_eq!(sink.found().unwrap(), Found::default());
}

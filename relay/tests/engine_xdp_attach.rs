//! F7: the program goes onto devices that are free, and off them again, and nothing else.
#![allow(clippy::unwrap_used)]

use crate::engine_xdp_support::*;
use patchbay_relay::engine::xdp::{Driver, DriverError, Mode, XdpConfig};
use rustix::thread::CapabilitySet;
use std::process::Command;

/// Whether a program stands on a device, and how it is run.
fn standing(device: &str) -> Option<Mode> {
    let shown = Command::new("ip")
        .args(["link", "show", "dev", device])
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    if shown.contains("xdpgeneric") {
        Some(Mode::Generic)
    } else {
        shown.contains(" xdp ").then_some(Mode::Native)
    }
}

fn load() -> Driver {
    Driver::load(&lenient()).unwrap().0
}

#[test]
fn a_program_that_is_there_already_stays() {
    if !alone() {
        return;
    }
    lay_wires();
    for mode in [Mode::Native, Mode::Generic] {
        let mut first = load();
        first.attach_as(&[DEVICE], mode).unwrap();
        let mut second = load();
        let refused = second.attach(&[VLAN, DEVICE]).unwrap_err();
        assert!(
            matches!(&refused, DriverError::Occupied { device } if device == DEVICE),
            "{refused}"
        );
        assert!(refused.to_string().contains("xdp off"));
        assert_eq!(standing(VLAN), None, "on all or on none");
        assert_eq!(standing(DEVICE), Some(mode));
        drop(second);
        assert_eq!(standing(DEVICE), Some(mode));
        drop(first);
        assert_eq!(standing(DEVICE), None);
    }
}

#[test]
fn a_device_without_native_mode_gets_the_generic_one_and_so_do_all() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut driver = load();
    assert_eq!(driver.attach(&[DEVICE, "lo"]).unwrap(), Mode::Generic);
    assert_eq!(standing(DEVICE), Some(Mode::Generic));
    assert_eq!(standing("lo"), Some(Mode::Generic));
    let again = driver.attach(&[VLAN]).unwrap_err();
    assert!(matches!(again, DriverError::Devices), "{again}");
    drop(driver);
    assert_eq!(standing("lo"), None);
    let mut driver = load();
    assert_eq!(driver.attach(&[DEVICE, VLAN]).unwrap(), Mode::Native);
}

#[test]
fn what_cannot_be_is_said_and_leaves_nothing_behind() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut driver = load();
    let refused = driver.attach(&[DEVICE, "xdp-none"]).unwrap_err();
    assert!(
        matches!(&refused, DriverError::NoDevice { device } if device == "xdp-none"),
        "{refused}"
    );
    assert_eq!(standing(DEVICE), None);
    assert!(matches!(driver.attach(&[]), Err(DriverError::Devices)));
    assert!(matches!(
        driver.add_vlan(VLAN, DEVICE, 0),
        Err(DriverError::Config { .. })
    ));
    let empty = XdpConfig {
        source_rate: 0,
        ..lenient()
    };
    assert!(matches!(
        Driver::load(&empty),
        Err(DriverError::Config { .. })
    ));
}

/// Leaves this thread these capabilities only; they are a thread's own.
fn keep(effective: CapabilitySet) {
    let mut sets = rustix::thread::capabilities(None).unwrap();
    sets.effective = effective;
    rustix::thread::set_capabilities(None, sets).unwrap();
}

#[test]
fn without_the_privilege_it_is_said_what_is_needed() {
    keep(CapabilitySet::empty());
    let refused = Driver::load(&lenient()).unwrap_err();
    assert!(matches!(refused, DriverError::Privilege), "{refused}");
    assert!(refused.to_string().contains("CAP_BPF"));
}

#[test]
fn the_privileges_that_it_names_are_enough() {
    if !alone() {
        return;
    }
    lay_wires();
    let named = CapabilitySet::BPF | CapabilitySet::NET_ADMIN | CapabilitySet::PERFMON;
    keep(named);
    let mut driver = load();
    assert_eq!(driver.attach(&[DEVICE]).unwrap(), Mode::Native);
    // The verifier asks for this one, and says so in its own way.
    keep(named - CapabilitySet::PERFMON);
    let refused = Driver::load(&lenient()).unwrap_err();
    assert!(refused.to_string().contains("CAP_PERFMON"), "{refused}");
}

#[test]
fn the_setting_for_routes_is_put_back() {
    if !alone() {
        return;
    }
    lay_wires();
    let setting = || std::fs::read_to_string("/proc/sys/net/ipv4/conf/lo/forwarding").unwrap();
    assert_eq!(setting().trim(), "0");
    let mut driver = load();
    driver.attach(&[DEVICE]).unwrap();
    assert_eq!(setting().trim(), "1");
    drop(driver);
    assert_eq!(setting().trim(), "0");
}

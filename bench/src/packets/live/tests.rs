//! How the generator arranges itself; whole runs are among the tests of `measure`.

use super::*;
use crate::packets::vocabulary::Kind;

fn way(kind: Kind) -> Way {
    let address = std::net::SocketAddr::from(([10, 99, 0, 1], 9));
    Way {
        from: address,
        to: address,
        out: address,
        at: address,
        kind,
    }
}

#[test]
fn both_ways_of_a_call_go_to_one_gun_and_reports_are_last() {
    use Kind::{Audio, Rtcp, Video};
    let kinds = [
        Audio, Audio, Rtcp, Rtcp, Video, Video, Audio, Audio, Rtcp, Rtcp,
    ];
    let ways = kinds.map(way);
    let share = |core, ways: &[usize], reports| Share {
        core,
        ways: ways.to_vec(),
        reports,
    };
    let one = share(3, &[0, 1, 4, 5, 6, 7, 2, 3, 8, 9], 4);
    assert_eq!(shares(&ways, &[3]), [one]);
    let two = [share(1, &[0, 1, 6, 7, 2, 3], 2), share(0, &[4, 5, 8, 9], 2)];
    assert_eq!(shares(&ways, &[1, 0]), two);
}

//! What is above finds a ledger that is broken: a step that comes after the send and not before it costs money, and a
//! file that is not synced is lost.

use crate::points::{Played, Point, count, play};
use crate::power::Loss;
use crate::scene::Line;
use crate::support::workers::at_once;

/// Plays such a point for every call of a run; what was complained of.
fn complaints(such: &Point) -> Vec<String> {
    let points = (1..=count(such)).map(|at| Point { at, ..such.clone() }).collect();
    at_once(points, 8, |point| {
        let Played { complaints, .. } = play(point);
        (!complaints.is_empty()).then(|| complaints.join("; "))
    })
}

#[test]
fn a_commit_that_comes_after_the_send_is_found_to_buy_twice() {
    let such =
        Point { loss: Some(Loss::All), broken: Some("ledger"), ..Point::new(&Line::adopted(), "after") };
    let found = complaints(&such);
    assert!(found.iter().any(|what| what.contains("1 requests made 2 jobs")), "{found:?}");
    let sound = complaints(&Point { broken: None, ..such });
    assert!(sound.is_empty(), "{sound:?}");
}

#[test]
fn a_file_that_is_not_synced_before_it_gets_its_name_is_found_to_be_lost() {
    let such =
        Point { loss: Some(Loss::All), broken: Some("part"), ..Point::new(&Line::restart(), "before") };
    let found = complaints(&such);
    assert!(found.iter().any(|what| what.contains("under their final names are broken")), "{found:?}");
}

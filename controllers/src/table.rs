//! Every controller there is. A new one is a file with a [`Controller`] row and a line here.

use crate::controller::Controller;
use crate::{
    certificates, cluster_role_aggregation, deployment, garbage, namespace, node_lifecycle, pod_gc, replicas, root_ca,
    service_account, taint_eviction, token_secrets,
};

/// The controllers.
pub static CONTROLLERS: &[&Controller] = &[
    &deployment::CONTROLLER,
    &replicas::replica_set::CONTROLLER,
    &replicas::replication_controller::CONTROLLER,
    &garbage::CONTROLLER,
    &namespace::CONTROLLER,
    &service_account::CONTROLLER,
    &root_ca::CONTROLLER,
    &token_secrets::CONTROLLER,
    &cluster_role_aggregation::CONTROLLER,
    &certificates::CONTROLLER,
    &node_lifecycle::CONTROLLER,
    &taint_eviction::CONTROLLER,
    &pod_gc::CONTROLLER,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::Observation;
    use crate::informer::{Caches, is_followed};
    use crate::ledger::InFlight;
    use crate::node_lifecycle::heartbeats::Heartbeats;
    use crate::object::Key;
    use crate::plan::{Live, Now};
    use crate::pod_gc::Absences;
    use crate::settings::Settings;
    use std::collections::BTreeSet;
    use std::time::Duration;

    #[test]
    fn every_row_is_whole() {
        let names: BTreeSet<_> = CONTROLLERS.iter().map(|c| c.name).collect();
        assert_eq!(names.len(), CONTROLLERS.len(), "names are different");
        let caches = Caches::default();
        for controller in CONTROLLERS {
            assert!(controller.workers > 0 && !controller.watches.is_empty(), "{}", controller.name);
            for watch in controller.watches {
                assert!(watch.row.is_none_or(is_followed), "{} watches a kind without informer", controller.name);
            }
            let observation = Observation {
                now: Now { wall: jiff::Timestamp::UNIX_EPOCH, monotonic: Duration::ZERO },
                caches: &caches,
                in_flight: &InFlight::default(),
                live: &Live::default(),
                failure: None,
                heartbeats: &Heartbeats::default(),
                absences: &Absences::default(),
                settings: &Settings::default(),
                seed: 0,
            };
            let plan = (controller.plan)(&observation, &Key::new("ns", "gone"));
            assert!(plan.steps.is_empty(), "{} acts on what is not there", controller.name);
        }
    }
}

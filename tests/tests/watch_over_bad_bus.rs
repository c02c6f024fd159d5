//! An informer whose bus loses, repeats, delays and drops: it ends with exactly the server's state.

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kubus_client::{Bus, Credentials};
use kubus_tests::relay::{Faults, Relay};
use kubus_tests::{Cluster, nats_available};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Changes made while the informer listens.
const CHANGES: usize = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_informer_over_a_bad_bus_ends_with_the_servers_state() {
    if !nats_available() {
        return;
    }
    let seed: u64 = std::env::var("KUBUS_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    println!("seed {seed} (set KUBUS_SEED to replay)");
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = Cluster::up(&["--control-planes", "3", "--nodes", "0", "--runtime", "sim"]);
    let good = cluster.bus().await;
    let faults = Faults { lost: 10, repeated: 10, delayed: 10 };
    let mut relay = Relay::start(good.nats().clone(), faults, seed).await;

    let mut credentials = Credentials::load(&cluster.home().join("credentials/admin.json")).expect("credentials");
    credentials.servers = vec![relay.url().to_owned()];
    let bad = Bus::connect_patiently(&credentials).await;
    let (store, writer) = reflector::store::<ConfigMap>();
    let api: Api<ConfigMap> = Api::namespaced(bad.kube(), "default");
    let informer = tokio::spawn(async move {
        let stream = watcher(api, watcher::Config::default()).default_backoff().reflect(writer).applied_objects();
        // Errors end with a new list, as in every informer.
        let _ = stream.try_for_each(|_| async { Ok(()) }).await;
    });

    let api: Api<ConfigMap> = Api::namespaced(good.kube(), "default");
    let mut names: Vec<String> = Vec::new();
    for i in 0..CHANGES {
        match random.random_range(0..10) {
            0..5 => {
                let name = format!("c{i}");
                let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
                api.create(&PostParams::default(), &ConfigMap { metadata, ..ConfigMap::default() })
                    .await
                    .expect("created");
                names.push(name);
            }
            5..8 if !names.is_empty() => {
                let name = names.choose(&mut random).expect("a name").clone();
                let patch = serde_json::json!({"data": {"i": i.to_string()}});
                api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("patched");
            }
            _ if !names.is_empty() => {
                let name = names.swap_remove(random.random_range(0..names.len()));
                api.delete(&name, &DeleteParams::default()).await.expect("deleted");
            }
            _ => {}
        }
        if i == CHANGES / 3 || i == 2 * CHANGES / 3 {
            relay.bounce();
        }
    }

    let list = api.list(&ListParams::default()).await.expect("a list");
    let versions = |objects: Vec<ConfigMap>| -> BTreeMap<String, String> {
        objects.into_iter().filter_map(|o| Some((o.metadata.name?, o.metadata.resource_version?))).collect()
    };
    let expected = versions(list.items);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let seen = versions(store.state().iter().map(|o| (**o).clone()).collect());
        if seen == expected {
            break;
        }
        if Instant::now() > deadline {
            let wrong: Vec<_> =
                expected.iter().filter(|(name, version)| seen.get(*name) != Some(version)).take(5).collect();
            let extra: Vec<_> = seen.keys().filter(|name| !expected.contains_key(*name)).take(5).collect();
            panic!(
                "seed {seed}: {} seen, {} there; missing or stale {wrong:?}, extra {extra:?}",
                seen.len(),
                expected.len()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{CHANGES} changes, {} objects left, the same in the informer", expected.len());
    informer.abort();
}

//! Elections over a real NATS server.
#![allow(clippy::unwrap_used)]

mod support;

use kubus_client::election::{self, ElectionConfig};
use std::time::{Duration, Instant};
use support::apiserver::Apiserver;
use support::{Nats, eventually, soon};

fn config(holder: &str) -> ElectionConfig {
    ElectionConfig { lease_ms: 800, renew_ms: 150, ..ElectionConfig::new("kube-scheduler", holder) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_leads_and_another_follows_when_it_resigns_or_dies() {
    let Some(nats) = Nats::start() else { return };
    let server = Apiserver::start(nats.port).await;
    let (one, two) = (nats.connect("scheduler-1").await, nats.connect("scheduler-2").await);
    let first = election::start(&one, config("scheduler-1"));
    let mut first_leads = first.leads();
    soon("the first leads", first_leads.wait_for(|leads| *leads)).await.unwrap();
    let second = election::start(&two, config("scheduler-2"));
    let mut second_leads = second.leads();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert!(*first_leads.borrow() && !*second_leads.borrow(), "renewals hold the lease");

    drop(first_leads);
    let begun = Instant::now();
    soon("resigned", first.resign()).await;
    soon("the second leads", second_leads.wait_for(|leads| *leads)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(700), "a lease that is given up need not expire");
    let lease = &server.objects("leases")[0];
    assert!(lease["spec"]["holderIdentity"].as_str().unwrap().starts_with("scheduler-2_"));
    assert_eq!(lease["spec"]["leaseTransitions"], 1);

    // The second can write no more, as if cut off: it must stop by itself before the third begins.
    let third = election::start(&one, config("scheduler-1"));
    let mut third_leads = third.leads();
    two.nats().drain().await.unwrap();
    let mut overlap = false;
    eventually("the third leads", || {
        overlap |= *third_leads.borrow_and_update() && *second_leads.borrow_and_update();
        *third_leads.borrow()
    })
    .await;
    assert!(!overlap && !*second_leads.borrow());
    assert_eq!(server.objects("leases")[0]["spec"]["leaseTransitions"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_candidates_one_leads() {
    let Some(nats) = Nats::start() else { return };
    let _server = Apiserver::start(nats.port).await;
    let bus = nats.connect("controllers-1").await;
    let candidates: Vec<_> = (0..5).map(|i| election::run(&bus, config(&format!("c{i}")))).collect();
    let leaders = || candidates.iter().filter(|leads| *leads.borrow()).count();
    eventually("somebody leads", || leaders() == 1).await;
    for _ in 0..50 {
        assert_eq!(leaders(), 1);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

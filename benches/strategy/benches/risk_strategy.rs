//! The strategy table: which of ten rules holds for a score, beside a rules engine with the same ten.

use criterion::{Criterion, criterion_group, criterion_main};
use interbank_risk_core::BasisPoints;
use interbank_risk_core::surroundings::{
    BandDraft, Familiarity, Plan, Policy, PolicyDraft, Unknown,
};
use serde_json::{Value, json};
use std::hint::black_box;
use std::sync::Arc;
use tokio::runtime::Builder;
use zen_engine::Variable;
use zen_engine::model::DecisionContent;
use zen_engine::{Decision, DecisionEngine};

fn strategy(c: &mut Criterion) {
    let mut group = c.benchmark_group("surroundings/strategy");
    let policy = policy();
    let zen = zen();
    let alone = Builder::new_current_thread().build().unwrap();
    let asked = |score: u16| Variable::from(json!({ "score": score }));
    // Not one decision may differ, or the two are not doing the same.
    for score in 0..=10_000 {
        let theirs = alone.block_on(zen.evaluate(asked(score))).unwrap().result;
        let (plan, limit_minor) = match policy.band(familiarity(score)).plan {
            Plan::Refuse => ("refuse", 0),
            Plan::AskPin => ("pin", 0),
            Plan::Allow { limit_minor } => ("allow", limit_minor),
        };
        let ours = json!({ "plan": plan, "limit_minor": limit_minor });
        assert_eq!(theirs, Variable::from(ours), "at {score}");
    }
    let scores: Vec<u16> =
        (0..1_024_u32).map(|n| u16::try_from(n * 7_919 % 10_001).unwrap()).collect();
    let mut at = 0;
    group.bench_function("interbank", |b| {
        b.iter(|| {
            at = (at + 1) % scores.len();
            policy.band(familiarity(black_box(scores[at]))).plan
        });
    });
    let asked: Vec<Variable> = scores.iter().map(|score| asked(*score)).collect();
    group.bench_function("zen_engine", |b| {
        // One runtime for all of a sample, so that what is measured is the engine.
        b.iter_custom(|iterations| {
            alone.block_on(async {
                let begun = std::time::Instant::now();
                for _ in 0..iterations {
                    at = (at + 1) % asked.len();
                    let context = black_box(&asked[at]).shallow_clone();
                    black_box(zen.evaluate(context).await.unwrap().result);
                }
                begun.elapsed()
            })
        });
    });
    group.finish();
}

fn familiarity(score: u16) -> Familiarity {
    Familiarity::new(BasisPoints::new(score).unwrap())
}

fn policy() -> Policy {
    let mut from = 0;
    let bands = RULES.map(|(to, then, limit_minor)| {
        let limit_minor = (then == "allow").then_some(limit_minor);
        let band = BandDraft { from, to, then: then.into(), limit_minor, unknown: Unknown::new() };
        from = to + 1;
        band
    });
    Policy::new(PolicyDraft { bands: bands.into(), ..PolicyDraft::default() }).unwrap()
}

fn zen() -> Decision {
    let mut from = 0;
    let rules: Vec<Value> = RULES
        .iter()
        .enumerate()
        .map(|(at, (to, then, limit_minor))| {
            let rule = json!({
                "_id": format!("rule-{at}"),
                "score": format!("[{from}..{to}]"),
                "plan": format!("\"{then}\""),
                "limit": format!("{limit_minor}"),
            });
            from = to + 1;
            rule
        })
        .collect();
    let content: DecisionContent = serde_json::from_value(json!({
        "nodes": [
            { "id": "in", "name": "in", "type": "inputNode", "content": {} },
            {
                "id": "table", "name": "table", "type": "decisionTableNode",
                "content": {
                    "hitPolicy": "first",
                    "inputs": [{ "id": "score", "name": "Score", "field": "score" }],
                    "outputs": [
                        { "id": "plan", "name": "Plan", "field": "plan" },
                        { "id": "limit", "name": "Limit", "field": "limit_minor" },
                    ],
                    "rules": rules,
                },
            },
            { "id": "out", "name": "out", "type": "outputNode", "content": {} },
        ],
        "edges": [
            { "id": "one", "sourceId": "in", "targetId": "table" },
            { "id": "two", "sourceId": "table", "targetId": "out" },
        ],
    }))
    .unwrap();
    let mut decision = DecisionEngine::default().create_decision(Arc::new(content)).unwrap();
    decision.compile();
    decision
}

/// The highest score of each rule, what is done, and up to which amount.
const RULES: [(i64, &str, i64); 10] = [
    (999, "refuse", 0),
    (1_999, "refuse", 0),
    (3_999, "pin", 0),
    (5_499, "pin", 0),
    (6_999, "allow", 1_000),
    (7_499, "allow", 2_000),
    (7_999, "allow", 5_000),
    (8_499, "allow", 10_000),
    (8_999, "allow", 20_000),
    (10_000, "allow", 50_000),
];

criterion_group!(benches, strategy);
criterion_main!(benches);

//! What single pieces of the hot path cost, and what a registry costs to load, replace and edit.
//!
//! These figures say where time goes and whether a change of one piece paid; what a call costs as a
//! whole is measured by `instructions` and `side_by_side`. Every piece is the product's own code,
//! made ready by `countersign::test_support::bench`.

use countersign::test_support::bench::{
    Account, AnswerHead, ChunkedBody, DurableWrites, Exchange, InService, OnDisk, Outbound,
    RegistryText, RequestHead, Signing,
};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

const KIB: usize = 1024;

/// How often a piece that takes a microsecond or so runs between two looks at the clock, which itself
/// takes a hundredth of that. The first runs, with cold caches, then hardly count.
const MANY: u32 = 200;

fn main() {
    divan::main();
}

/// Hashing a body, and the six headers.
#[divan::bench(args = [256, KIB, 64 * KIB, 1024 * KIB])]
fn sign(bencher: Bencher<'_, '_>, body_bytes: usize) {
    let signing = Signing::of(body_bytes);
    bencher
        .counter(BytesCount::new(body_bytes))
        .bench_local(|| signing.sign());
}

/// A look-up by name, which must cost the same in registries of all sizes.
#[divan::bench(args = [10, 1_000, 100_000], sample_size = 10 * MANY)]
fn resolve(bencher: Bencher<'_, '_>, tools: usize) {
    let registry = InService::of(tools);
    bencher.bench_local(|| registry.resolve());
}

/// From the agent's fields to the bytes of a signed head.
#[divan::bench(sample_size = MANY)]
fn outbound_head(bencher: Bencher<'_, '_>) {
    let call = Outbound::typical();
    bencher
        .with_inputs(|| call.agent_fields())
        .bench_local_values(|fields| call.head(fields));
}

#[divan::bench(name = "request_head_350_bytes", sample_size = MANY)]
fn request_head(bencher: Bencher<'_, '_>) {
    let head = RequestHead::typical();
    bencher
        .counter(BytesCount::new(head.size()))
        .with_inputs(|| head.arrived())
        .bench_local_values(RequestHead::parse);
}

#[divan::bench(name = "request_head_4_kib", sample_size = MANY)]
fn large_request_head(bencher: Bencher<'_, '_>) {
    let head = RequestHead::large();
    bencher
        .counter(BytesCount::new(head.size()))
        .with_inputs(|| head.arrived())
        .bench_local_values(RequestHead::parse);
}

#[divan::bench(sample_size = MANY)]
fn answer_head(bencher: Bencher<'_, '_>) {
    let head = AnswerHead::typical();
    bencher
        .counter(BytesCount::new(head.size()))
        .with_inputs(|| head.arrived())
        .bench_local_values(AnswerHead::parse);
}

/// 64 KiB in chunks of 1 KiB.
#[divan::bench]
fn chunked_body(bencher: Bencher<'_, '_>) {
    let body = ChunkedBody::of(64 * KIB, KIB);
    bencher
        .counter(BytesCount::new(64 * KIB))
        .with_inputs(|| body.arrived())
        .bench_local_values(ChunkedBody::decode);
}

/// The metrics of one good call.
#[divan::bench(sample_size = MANY)]
fn account_of_metrics(bencher: Bencher<'_, '_>) {
    let account = Account::of_metrics();
    bencher.bench_local(|| account.report());
    account.upkeep();
}

/// The same, and its line in the access log: the difference is what the line costs.
#[divan::bench(sample_size = MANY)]
fn account_of_metrics_and_log(bencher: Bencher<'_, '_>) {
    let account = Account::of_metrics_and_log();
    bencher.bench_local(|| account.report());
    account.upkeep();
}

/// From text to compiled tools.
#[divan::bench(args = [10, 1_000, 10_000], sample_count = 10)]
fn registry_load(bencher: Bencher<'_, '_>, tools: usize) {
    let text = RegistryText::of(tools);
    bencher
        .counter(BytesCount::new(text.size()))
        .counter(ItemsCount::new(tools))
        .bench_local(|| text.load());
}

/// Putting a snapshot into service and letting go of the one before.
#[divan::bench(args = [10, 1_000, 10_000], sample_count = 10, sample_size = 1)]
fn registry_swap(bencher: Bencher<'_, '_>, tools: usize) {
    let registry = InService::of(tools);
    let text = RegistryText::of(tools);
    bencher
        .with_inputs(|| text.load())
        .bench_local_values(|next| registry.replace(next));
}

/// Switching one of 1,000 tools in the file, with everything that makes it durable.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn registry_edit(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("room for temporary files");
    let registry = OnDisk::of(1_000, folder.path()).expect("the folder can be written");
    bencher.bench_local(|| registry.switch_one_tool());
}

/// Claims that become durable together; the disk is the one with the temporary files.
#[divan::bench(args = [1, 32], sample_count = 500, sample_size = 1)]
fn durable_claims(bencher: Bencher<'_, '_>, agents: usize) {
    let folder = tempfile::tempdir().expect("room for temporary files");
    let writes = DurableWrites::to(folder.path()).expect("a runtime");
    bencher
        .counter(ItemsCount::new(agents))
        .bench_local(|| writes.write(agents));
}

/// A whole call in memory, with the agent and the tool on the same thread.
#[divan::bench(sample_size = MANY)]
fn call_in_memory(bencher: Bencher<'_, '_>) {
    let mut exchange = Exchange::of(256).expect("a runtime");
    bencher.bench_local(|| exchange.call());
}

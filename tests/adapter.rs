//! Adapters on every fixture: what is found, and that injecting, merging and cutting keep the function.
#![cfg(feature = "tract")]

mod fixtures;

use fixtures::{Fixture, distance, floats, images, random, rng, run};
use ndarray::{Array2, ArrayD, ArrayView2, Axis, Ix2};
use perennial::adapter::{
    Blocks, Lora, Named, Role, Roles, Sharing, Slot, Spine, inject, merge, select, tap,
};
use perennial::engine::Data;
use perennial::graph::{Emit, Graph};
use perennial::strategy::{self, Memory, Pair, SlotShape, Trained};
use perennial::subspace::{Basis, SecondMoment};
use perennial::{ErrorKind, onnx};

const RANK: usize = 3;

fn lora(roles: Roles) -> Lora {
    Lora { rank: RANK, alpha: 1.5, blocks: Blocks::All, roles }
}

/// Sets of roles to try: one by one for one fixture of each architecture, all together for the others.
fn role_sets(fixture: &Fixture) -> Vec<Roles> {
    let layers = Roles::Q | Roles::K | Roles::V | Roles::O | Roles::FC1 | Roles::FC2;
    let all = layers | Roles::PARALLEL | Roles::SERIES;
    if !["op17_dynamic", "split_legacy_op13_dynamic"].iter().any(|end| fixture.name.ends_with(end)) {
        return vec![all | Roles::PREFIX, if fixture.model == "pooled" { all } else { Roles::PROMPT }];
    }
    let mut sets = vec![
        Roles::Q,
        Roles::V,
        Roles::O,
        Roles::FC1,
        Roles::FC2,
        Roles::PARALLEL,
        Roles::SERIES,
        Roles::PREFIX,
        Roles::Q | Roles::V,
        all,
        all | Roles::PREFIX,
    ];
    if fixture.model != "pooled" {
        sets.extend([Roles::PROMPT, Roles::PROMPT | Roles::Q | Roles::O | Roles::PARALLEL]);
    }
    if fixture.model != "split" {
        sets.push(Roles::QKV);
    }
    sets
}

/// Random A and B of every slot, `lora_b` about `scale` large and without rows where there is none.
fn matrices(slots: &[Slot], scale: f32, seed: u64) -> Vec<[Data; 2]> {
    let mut rng = rng(seed);
    let pair = |s: &Slot| {
        [random(&[RANK, s.inputs()], 0.2, &mut rng), random(&[s.outputs(), RANK], scale, &mut rng)]
    };
    slots.iter().map(pair).collect()
}

/// The same as the graph takes them.
fn pairs(slots: &[Slot], scale: f32, seed: u64) -> Vec<Data> {
    matrices(slots, scale, seed).into_iter().flatten().filter(|m| m.shape()[0] > 0).collect()
}

fn matrix(data: &Data) -> ArrayView2<'_, f32> {
    data.as_f32().unwrap().into_dimensionality::<Ix2>().unwrap()
}

fn features(graph: &Graph, batch: usize, adapters: &[Data]) -> Vec<f32> {
    let inputs: Vec<Data> = [images(batch).into()].into_iter().chain(adapters.iter().cloned()).collect();
    let outputs = run(graph, batch, &inputs);
    assert_eq!(outputs.len(), 1);
    floats(&outputs[0])
}

fn largest(fixture: &Fixture) -> usize {
    *fixture.batches().last().unwrap()
}

#[test]
fn the_table_of_blocks_and_roles() {
    for fixture in fixtures::all() {
        let backbone = fixture.backbone();
        let blocks = &backbone.anatomy().blocks;
        assert_eq!(blocks.len(), 2, "{}", fixture.name);
        for (i, block) in blocks.iter().enumerate() {
            let got: Vec<_> = block
                .sites
                .iter()
                .filter_map(|s| Some((s, s.layer()?)))
                .map(|(s, l)| (s.role, l.linear.inputs, l.linear.outputs, l.columns.range().unwrap()))
                .collect();
            let tokens: Vec<_> = block
                .sites
                .iter()
                .filter(|s| s.layer().is_none())
                .map(|s| (s.role, s.inputs(), s.outputs()))
                .collect();
            let mut want = vec![(Role::Prefix, 32, 32)];
            // Prompts would have to pass the norm of the keys, too.
            want.extend((fixture.model != "pooled").then_some((Role::Prompt, 32, 0)));
            assert_eq!(tokens, want, "{} block {i}", fixture.name);
            let mlp = [
                (Role::O, 32, 32, 0..32),
                (Role::Fc1, 32, 64, 0..64),
                (Role::Fc2, 64, 32, 0..32),
                (Role::Parallel, 32, 32, 0..32),
                (Role::Series, 32, 32, 0..32),
            ];
            let mut want = match fixture.model.as_str() {
                "split" => vec![(Role::Q, 32, 32, 0..32), (Role::K, 32, 32, 0..32), (Role::V, 32, 32, 0..32)],
                _ => vec![
                    (Role::Q, 32, 96, 0..32),
                    (Role::K, 32, 96, 32..64),
                    (Role::V, 32, 96, 64..96),
                    (Role::Qkv, 32, 96, 0..96),
                ],
            };
            want.extend(mlp);
            assert_eq!(got, want, "{} block {i}", fixture.name);
        }
        assert_eq!(backbone.width().unwrap(), 32, "{}", fixture.name);
        assert_eq!(backbone.image().unwrap(), [3, 32, 32], "{}", fixture.name);
        assert_eq!(backbone.fixed_batch().is_none(), fixture.dynamic, "{}", fixture.name);
    }
}

#[test]
fn the_feature_is_what_pytorch_gave_to_its_classifier() {
    for fixture in fixtures::all().iter().filter(|f| ["fused", "split"].contains(&f.model.as_str())) {
        let (whole, _) = fixture.backbone().whole(Blocks::All, Roles::Q).unwrap();
        let off = distance(&features(&whole, 1, &[]), &fixture.expected("features", 0));
        assert!(off < fixture.tolerance, "{}: off by {off}", fixture.name);
    }
}

#[test]
fn an_adapter_with_b_zero_changes_nothing() {
    for fixture in fixtures::all() {
        for roles in role_sets(&fixture).into_iter().filter(|r| r.iter().all(|r| r.mechanism().adds_up())) {
            let (whole, sites) = fixture.backbone().whole(Blocks::All, roles).unwrap();
            let (injected, slots) = inject(whole.clone(), &sites, &lora(roles), Sharing::Shared).unwrap();
            let batch = largest(&fixture);
            let off =
                distance(&features(&whole, batch, &[]), &features(&injected, batch, &pairs(&slots, 0.0, 1)));
            assert!(off <= if fixture.half { 1e-2 } else { 1e-6 }, "{} {roles}: off by {off}", fixture.name);
        }
    }
}

#[test]
fn merging_computes_what_injecting_computes() {
    for fixture in fixtures::all() {
        for roles in role_sets(&fixture) {
            let (whole, sites) = fixture.backbone().whole(Blocks::All, roles).unwrap();
            let lora = lora(roles);
            let (injected, slots) = inject(whole.clone(), &sites, &lora, Sharing::Shared).unwrap();
            let adapters = pairs(&slots, 0.2, 2);
            let mut merged = whole.clone();
            for (site, pair) in sites.iter().zip(matrices(&slots, 0.2, 2)) {
                merged = merge(merged, site, matrix(&pair[0]), matrix(&pair[1]), lora.scaling()).unwrap();
            }
            let batch = largest(&fixture);
            let adapted = features(&injected, batch, &adapters);
            let moved = distance(&adapted, &features(&whole, batch, &[]));
            assert!(moved > 1e-2, "{} {roles}: the adapter moved the features by {moved} only", fixture.name);
            let off = distance(&adapted, &features(&merged, batch, &[]));
            let tolerance = if fixture.half { 5e-2 } else { 2e-5 };
            assert!(off < tolerance, "{} {roles}: off by {off}", fixture.name);
        }
    }
}

/// Two different sets of A and B, stacked for a batch of two.
fn stacked(one: &[Data], two: &[Data]) -> Vec<Data> {
    let stack = |(a, b): (&Data, &Data)| {
        Data::F32(ndarray::stack(Axis(0), &[a.as_f32().unwrap(), b.as_f32().unwrap()]).unwrap())
    };
    one.iter().zip(two).map(stack).collect()
}

#[test]
fn an_adapter_an_image_is_that_image_alone() {
    for fixture in fixtures::single().iter().filter(|f| f.dynamic) {
        for roles in role_sets(fixture) {
            let (whole, sites) = fixture.backbone().whole(Blocks::All, roles).unwrap();
            let (shared, slots) = inject(whole.clone(), &sites, &lora(roles), Sharing::Shared).unwrap();
            let (own, _) = inject(whole, &sites, &lora(roles), Sharing::PerImage).unwrap();
            let [one, two] = [3, 4].map(|seed| pairs(&slots, 0.2, seed));
            let (of_one, of_two) = (features(&shared, 2, &one), features(&shared, 2, &two));
            let off = distance(&features(&own, 2, &stacked(&one, &one)), &of_one);
            assert!(off < 1e-5, "{} {roles}: equal adapters, off by {off}", fixture.name);
            let want: Vec<f32> = of_one[..32].iter().chain(&of_two[32..]).copied().collect();
            let off = distance(&features(&own, 2, &stacked(&one, &two)), &want);
            assert!(off < 1e-5, "{} {roles}: different adapters, off by {off}", fixture.name);
            assert!(distance(&of_one, &of_two) > 1e-2, "{} {roles}: the adapters do the same", fixture.name);
        }
    }
}

#[test]
fn the_suffix_of_the_prefix_is_the_whole() {
    for fixture in fixtures::all() {
        for blocks in [Blocks::Last(1), Blocks::Last(2), Blocks::All] {
            let backbone = fixture.backbone();
            let parts = backbone.parts(blocks, Roles::Q).unwrap();
            let batch = largest(&fixture);
            let tokens = run(&parts.prefix, batch, &[images(batch).into()]);
            let cut = run(&parts.suffix, batch, &tokens);
            let whole = features(&backbone.whole(blocks, Roles::Q).unwrap().0, batch, &[]);
            let off = distance(&floats(&cut[0]), &whole);
            let tolerance = if fixture.half { 1e-2 } else { 1e-6 };
            assert!(off <= tolerance, "{} {blocks:?}: off by {off}", fixture.name);
            let trunk = run(&parts.trunk, batch, &[images(batch).into()]);
            assert!(
                distance(&floats(&trunk[0]), &floats(&tokens[0])) <= tolerance,
                "{}: boundary",
                fixture.name
            );
            assert!(distance(&floats(&trunk[1]), &whole) <= tolerance, "{}: features", fixture.name);
        }
    }
}

#[test]
fn a_merged_model_written_to_a_file_is_the_merged_model() {
    let folder = tempfile::tempdir().unwrap();
    for fixture in fixtures::single() {
        let roles = Roles::Q | Roles::FC2;
        let (mut merged, sites) = fixture.backbone().whole(Blocks::All, roles).unwrap();
        let (_, slots) = inject(merged.clone(), &sites, &lora(roles), Sharing::Shared).unwrap();
        for (site, pair) in sites.iter().zip(matrices(&slots, 0.2, 5)) {
            merged = merge(merged, site, matrix(&pair[0]), matrix(&pair[1]), 0.5).unwrap();
        }
        let path = folder.path().join("merged.onnx");
        onnx::write(&merged, &path).unwrap();
        let again = onnx::read(&path).unwrap();
        assert_eq!(features(&merged, 1, &[]), features(&again, 1, &[]), "{}", fixture.name);
    }
}

/// Tokens whose keys every query is orthogonal to and whose values are zero still take attention: the more tokens, the
/// less is left. So a prefix of copies of the image's own keys and values would be no change; of zeros it is one.
#[test]
fn tokens_take_attention_whatever_they_say() {
    let (whole, sites) =
        fixtures::one("timm_legacy_op17_dynamic").backbone().whole(Blocks::All, Roles::PREFIX).unwrap();
    let (injected, slots) = inject(whole.clone(), &sites, &lora(Roles::PREFIX), Sharing::Shared).unwrap();
    let zeros = |slot: &Slot| {
        [[RANK, slot.inputs()], [slot.outputs(), RANK]]
            .map(|shape| ArrayD::<f32>::zeros(shape.to_vec()).into())
    };
    let none: Vec<Data> = slots.iter().flat_map(zeros).collect();
    let moved = distance(&features(&injected, 2, &none), &features(&whole, 2, &[]));
    assert!(moved > 1e-3, "moved by {moved}");
}

/// The conditions of PEGP for prefixes and prompts, on the network itself: tokens that move only orthogonally to what an old
/// image compares them with, and to the attention that it pays them, change nothing that the image is told.
#[test]
fn tokens_that_move_in_the_free_directions_tell_old_images_the_same() {
    const TOKENS: usize = 24;
    for (name, roles) in [
        ("timm_legacy_op17_dynamic", Roles::PREFIX),
        ("split_legacy_op13_dynamic", Roles::PREFIX),
        ("timm_dynamo_op22_dynamic", Roles::PROMPT),
        ("split_dynamo_op20_dynamic", Roles::PROMPT),
    ] {
        let backbone = fixtures::one(name).backbone();
        // Of the last block the feature reads the first place only, which is among those that a tap takes.
        let (whole, sites) = backbone.whole(Blocks::Last(1), roles).unwrap();
        let lora = Lora { rank: TOKENS, ..lora(roles) };
        let (graph, slots) = inject(whole.clone(), &sites, &lora, Sharing::Shared).unwrap();
        let mut tapped = whole;
        let rows = tap(&mut Emit::new(&mut tapped, "tap"), &sites[0]).unwrap();
        tapped.outputs = vec![rows];
        let rows = run(&tapped, 1, &[images(1).into()]).remove(0).into_f32().unwrap();
        let rows = rows.index_axis_move(Axis(0), 0).into_dimensionality::<Ix2>().unwrap();

        let slot = SlotShape {
            name: String::new(),
            inputs: slots[0].inputs(),
            outputs: slots[0].outputs(),
            tap: 0,
            mechanism: sites[0].role.mechanism(),
        };
        let mut rng = rng(3);
        let mut matrix = |shape: [usize; 2]| {
            random(&shape, 0.3, &mut rng).into_f32().unwrap().into_dimensionality::<Ix2>().unwrap()
        };
        let start = Pair { a: matrix([TOKENS, slot.inputs]), b: matrix([slot.outputs, TOKENS]) };
        let basis = |rows: Array2<f32>| {
            let mut moment = SecondMoment::new(rows.ncols());
            moment.push_rows(rows.view()).unwrap();
            let mut basis = Basis::new(rows.ncols());
            basis.extend(&moment, 1.0).unwrap();
            basis
        };
        let mut memory = Memory::new(vec![slot.clone()], TOKENS);
        memory.hidden = vec![basis(slot.hidden(&start, rows.view()))];
        memory.inputs = vec![basis(rows)];
        assert!(memory.inputs[0].free() > 0 && memory.hidden[0].free() > 0, "{name}: nothing is free");

        let moved = Pair { a: matrix([TOKENS, slot.inputs]), b: matrix([slot.outputs, TOKENS]) };
        let mut free = Trained { pair: moved.clone(), mixing: Default::default() };
        let pegp = strategy::by_name("pegp-shared", 8).unwrap().strategy;
        pegp.delta(&memory, 0, &mut free, 1.0).unwrap();
        let told = |delta: &Pair| {
            let pair = [&start.a + &delta.a, &start.b + &delta.b];
            let adapters: Vec<Data> = pair.into_iter().filter(|m| m.nrows() > 0).map(Data::from).collect();
            features(&graph, 1, &adapters)
        };
        let still = told(&Pair::zeros(TOKENS, slot.inputs, slot.outputs));
        let (free, any) = (distance(&told(&free.pair), &still), distance(&told(&moved), &still));
        assert!(any > 1e-2, "{name} {roles}: any move changes only {any}");
        assert!(free < 1e-4 * any, "{name} {roles}: a free move changes {free}, any other {any}");
    }
}

#[test]
fn tokens_are_of_one_kind_and_prompts_pass_layers_as_they_were_shipped() {
    let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
    let error = backbone.whole(Blocks::All, Roles::PROMPT | Roles::V).unwrap_err();
    assert!(error.to_string().contains("without k, v and qkv"), "{error}");
    let both = Roles::PROMPT | Roles::PREFIX;
    let (whole, sites) = backbone.whole(Blocks::All, both).unwrap();
    let error = inject(whole, &sites, &lora(both), Sharing::Shared).unwrap_err();
    assert!(error.to_string().contains("a prefix or a prompt"), "{error}");
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let backbone = fixtures::one("split_legacy_op13_dynamic").backbone();
    let error = select(backbone.anatomy(), Blocks::All, Roles::QKV).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("q, k, v, prefix, prompt, o, fc1, fc2"), "{error}");
    for wrong in [Blocks::Last(0), Blocks::Last(3)] {
        let error = select(backbone.anatomy(), wrong, Roles::Q).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    let (whole, sites) = backbone.whole(Blocks::All, Roles::Q).unwrap();
    for rank in [0, 33] {
        let lora = Lora { rank, ..lora(Roles::Q) };
        let error = inject(whole.clone(), &sites, &lora, Sharing::Shared).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    let (a, b) = (ndarray::Array2::zeros((2, 31)), ndarray::Array2::zeros((32, 2)));
    assert_eq!(merge(whole, &sites[0], a.view(), b.view(), 1.0).unwrap_err().kind(), ErrorKind::Shape);
    assert!("q,nosuch".parse::<Roles>().unwrap_err().to_string().contains("fc1"));
}

fn named(sites: Option<&str>, boundary: Option<&str>) -> Named {
    Named { sites: sites.map(Into::into), boundary: boundary.map(Into::into) }
}

#[test]
fn sites_are_found_by_the_names_of_nodes_and_weights() {
    for (name, glob, count) in [
        ("timm_legacy_op17_dynamic", "*mlp*fc1*", 2),
        ("timm_dynamo_op18_dynamic", "*mlp.fc1*", 2),
        ("timm_legacy_op17_dynamic", "*blocks.1*qkv*, *blocks.1*proj*", 2),
    ] {
        let backbone = fixtures::one(name).backbone().named(&named(Some(glob), None)).unwrap();
        let (whole, sites) = backbone.whole(Blocks::All, Roles::Q).unwrap();
        assert_eq!(sites.len(), count, "{name} {glob}");
        assert!(sites.iter().all(|s| s.role == Role::Named), "{sites:?}");
        let (injected, slots) = inject(whole, &sites, &lora(Roles::Q), Sharing::Shared).unwrap();
        let moved = features(&injected, 2, &pairs(&slots, 0.3, 1));
        assert!(distance(&moved, &features(&injected, 2, &pairs(&slots, 0.0, 1))) > 1e-3, "{name} {glob}");
        let parts = backbone.parts(Blocks::All, Roles::Q).unwrap();
        assert_eq!(parts.sites.len(), count);
    }
    let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
    let error = backbone.clone().named(&named(Some("*nosuch*"), None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("/blocks/blocks.1/mlp/fc2/MatMul"), "{error}");
    let error = backbone.named(&named(Some("["), None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
}

#[test]
fn a_named_boundary_cuts_there() {
    let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
    let names: Vec<String> = Spine::of(backbone.graph(), backbone.feature())
        .unwrap()
        .cuts()
        .map(|v| backbone.graph().value(v).name.clone())
        .collect();
    let inputs: Vec<String> =
        backbone.anatomy().blocks.iter().map(|b| backbone.graph().value(b.input).name.clone()).collect();
    assert!(inputs.iter().all(|i| names.contains(i)), "blocks begin on the spine: {inputs:?} in {names:?}");
    let cut = backbone.clone().named(&named(None, Some(&inputs[1]))).unwrap();
    assert_eq!(cut.anatomy().blocks.len(), 1, "only what lies behind the boundary can be adapted");
    let parts = cut.parts(Blocks::All, Roles::Q).unwrap();
    let tokens = run(&parts.prefix, 2, &[images(2).into()]);
    let whole = features(&backbone.whole(Blocks::All, Roles::Q).unwrap().0, 2, &[]);
    assert!(distance(&floats(&run(&parts.suffix, 2, &tokens)[0]), &whole) < 1e-6);

    let error = backbone.clone().named(&named(None, Some("nosuch"))).unwrap_err();
    assert!(error.to_string().contains(&inputs[1]), "{error}");
    let early = named(Some("*blocks.0*fc1*"), Some(&inputs[1]));
    let error = backbone.named(&early).unwrap_err();
    assert!(error.to_string().contains("lies before the boundary"), "{error}");
}

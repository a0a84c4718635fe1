//! Strategies by their hooks, and the acceptance tests of methods.md that need no network.

use ndarray::{Array1, Array2, array};
use perennial::ErrorKind;
use perennial::adapter::Mechanism;
use perennial::strategy::{
    self, Average, Classifier, Memory, Moments, NAMES, OLora, Pair, Pool, Proteus, SdLora, SlotShape,
    Strategy, TaskContext, Trained, View,
};
use perennial::subspace::SecondMoment;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const RANK: usize = 3;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn matrix(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> Array2<f32> {
    Array2::from_shape_simple_fn((rows, columns), || rng.gen_range(-1.0..1.0))
}

fn pair(rng: &mut ChaCha8Rng) -> Pair {
    Pair { a: matrix(RANK, 8, rng), b: matrix(6, RANK, rng) }
}

fn memory() -> Memory {
    let slot = |name: &str| SlotShape {
        name: name.into(),
        inputs: 8,
        outputs: 6,
        tap: 0,
        mechanism: Mechanism::Lora,
    };
    Memory::new(vec![slot("block0.q"), slot("block0.v")], RANK)
}

fn task(index: usize) -> TaskContext {
    TaskContext { index, seed: 5, rank: RANK }
}

/// A task whose training left random adapters behind.
fn learn(strategy: &dyn Strategy, memory: &mut Memory, index: usize) {
    strategy.begin(&task(index), memory).unwrap();
    let mut rng = rng(100 + index as u64);
    for pair in &mut memory.current {
        pair.b = matrix(6, RANK, &mut rng);
    }
    strategy.end(&task(index), memory, &Moments::default()).unwrap();
}

fn product(pair: &Pair) -> Array2<f32> {
    pair.b.dot(&pair.a)
}

fn distance(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    (a - b).iter().map(|x| x * x).sum::<f32>().sqrt() / a.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-9)
}

#[test]
fn every_name_is_found_under_itself_and_with_another_head() {
    for name in NAMES {
        let choice = strategy::by_name(name, 10).unwrap();
        assert_eq!((choice.name.as_str(), choice.strategy.name()), (name, name));
        let with = strategy::by_name(&format!("{name}+lda"), 10).unwrap();
        assert_eq!(with.reading.classifier, Classifier::Discriminants);
        assert_eq!(with.reading.view, choice.reading.view);
        let beside = strategy::by_name(&format!("{name}+ranpac-beside"), 10).unwrap();
        assert_eq!(beside.reading.view, View::Beside);
    }
    for (name, kind) in [
        ("nothing", ErrorKind::NotFound),
        ("pegp+nothing", ErrorKind::NotFound),
        ("ncm-frozen+linear", ErrorKind::InvalidArgument),
        ("pegp+linear-beside", ErrorKind::InvalidArgument),
    ] {
        assert_eq!(strategy::by_name(name, 10).err().map(|e| e.kind()), Some(kind), "{name}");
    }
}

/// methods.md 2.11: the averaged copy after T tasks is the arithmetic mean of T snapshots.
#[test]
fn methods_2_11_the_average_is_the_arithmetic_mean_of_the_snapshots() {
    let mut rng = rng(1);
    let snapshots: Vec<Pair> = (0..37).map(|_| pair(&mut rng)).collect();
    let mut average = Average::default();
    snapshots.iter().for_each(|s| average.add(std::slice::from_ref(s)));
    let mean = |of: fn(&Pair) -> &Array2<f32>| {
        let sum = snapshots
            .iter()
            .fold(Array2::<f64>::zeros(of(&snapshots[0]).dim()), |sum, s| sum + of(s).mapv(f64::from));
        (sum / snapshots.len() as f64).mapv(|x| x as f32)
    };
    let found = &average.pairs()[0];
    assert!(distance(&mean(|p| &p.a), &found.a) < 1e-6, "{}", distance(&mean(|p| &p.a), &found.a));
    assert!(distance(&mean(|p| &p.b), &found.b) < 1e-6);
    assert_eq!(average.count(), 37);
}

#[test]
fn a_moving_average_follows_at_its_rate() {
    let pair = |x: f32| Pair { a: array![[x]], b: array![[-x]] };
    let mut average = Average::default();
    average.follow(&[pair(1.0)], 0.25);
    average.follow(&[pair(2.0)], 0.25);
    assert_eq!(average.pairs()[0].a[[0, 0]], 1.25);
    assert_eq!(average.pairs()[0].b[[0, 0]], -1.25);
}

/// methods.md 3.12: adapters of old tasks are bit-identical after a new task.
#[test]
fn methods_3_12_networks_of_finished_tasks_never_change() {
    let proteus = Proteus::new(Classifier::Ridge);
    let (mut memory, mut before) = (memory(), Vec::new());
    for index in 0..4 {
        proteus.begin(&task(index), &mut memory).unwrap();
        let mut rng = rng(index as u64);
        memory.current.iter_mut().for_each(|p| p.b = matrix(6, RANK, &mut rng));
        memory.mixing.iter_mut().for_each(|s| s.mapv_inplace(|_| rng.gen_range(-1.0..1.0)));
        proteus.end(&task(index), &mut memory, &Moments::default()).unwrap();
        let networks = proteus.networks(&memory).unwrap();
        assert_eq!(networks.len(), index + 1);
        assert_eq!(networks[..index], before[..], "an old network moved when task {index} was learned");
        assert_eq!(networks[index][0].rank(), RANK * (index + 1), "its own units and all it reuses");
        before = networks;
    }
}

/// methods.md 3.12: a large penalty on S, or alpha = 0, leaves independent adapters.
#[test]
fn methods_3_12_without_reuse_adapters_are_independent() {
    let independent = |sparsity: f32, alpha: f32| {
        let proteus = Proteus { sparsity, alpha, ..Proteus::new(Classifier::Ridge) };
        let mut memory = memory();
        for index in 0..3 {
            proteus.begin(&task(index), &mut memory).unwrap();
            let mut rng = rng(index as u64);
            for slot in 0..2 {
                memory.current[slot].b = matrix(6, RANK, &mut rng);
                let units = memory.mixing[slot].len();
                let step = Array1::from_elem(units, 0.05);
                let mut delta = Trained { pair: Pair::zeros(RANK, 8, 6), mixing: step };
                proteus.delta(&memory, slot, &mut delta, 1e-3).unwrap();
                memory.mixing[slot] += &delta.mixing;
            }
            proteus.end(&task(index), &mut memory, &Moments::default()).unwrap();
        }
        let reused: usize = (0..3).map(|t| memory.pool.reused(t)).sum();
        let ranks: Vec<usize> = proteus.networks(&memory).unwrap().iter().map(|n| n[0].rank()).collect();
        (reused, ranks)
    };
    assert_eq!(independent(1e3, 0.3), (0, vec![RANK; 3]));
    assert_eq!(independent(0.006, 0.0), (0, vec![RANK; 3]));
    let (reused, ranks) = independent(0.006, 0.3);
    assert_eq!(
        (reused, ranks),
        (2 * (RANK + 2 * RANK), vec![RANK, 2 * RANK, 3 * RANK]),
        "the control reuses"
    );
}

#[test]
fn o_lora_pulls_down_the_overlap_by_its_gradient() {
    let strategy = OLora::default();
    let mut memory = memory();
    learn(&strategy, &mut memory, 0);
    strategy.begin(&task(1), &mut memory).unwrap();
    let old = memory.pool.units(0).unwrap().a.clone();
    let loss = |a: &Array2<f32>| 0.5 * a.dot(&old.t()).iter().map(|x| f64::from(x.abs())).sum::<f64>();
    let mut gradient = Trained { pair: Pair::zeros(RANK, 8, 6), mixing: Array1::zeros(0) };
    strategy.gradient(&memory, 0, &mut gradient);
    for at in [(0, 0), (1, 5), (2, 7)] {
        let (mut up, mut down) = (memory.current[0].a.clone(), memory.current[0].a.clone());
        (up[at], down[at]) = (up[at] + 1e-3, down[at] - 1e-3);
        let want = (loss(&up) - loss(&down)) / 2e-3;
        assert!(
            (f64::from(gradient.pair.a[at]) - want).abs() < 1e-2,
            "{at:?}: {} {want}",
            gradient.pair.a[at]
        );
    }
}

#[test]
fn sd_lora_begins_a_task_where_the_last_one_ended() {
    let mut memory = memory();
    for index in 0..3 {
        let before = (index > 0).then(|| SdLora.networks(&memory).unwrap());
        SdLora.begin(&task(index), &mut memory).unwrap();
        if let Some(before) = before {
            // B of the new branch is zero, so what stands is the old directions times the magnitudes to be trained.
            let units = memory.pool.units(0).unwrap();
            let now = (&units.b * &memory.mixing[0]).dot(&units.a);
            assert!(distance(&product(&before[0][0]), &now) < 1e-6);
        }
        let mut rng = rng(index as u64);
        let trained: Vec<Array2<f32>> = memory
            .current
            .iter_mut()
            .map(|p| {
                p.b = matrix(6, RANK, &mut rng);
                product(p)
            })
            .collect();
        let old = memory.pool.units(0).map(|units| (&units.b * &memory.mixing[0]).dot(&units.a));
        SdLora.end(&task(index), &mut memory, &Moments::default()).unwrap();
        let want = old.map_or(trained[0].clone(), |old| old + &trained[0]);
        // Directions and magnitudes are stored in f16.
        assert!(distance(&want, &product(&SdLora.networks(&memory).unwrap()[0][0])) < 3e-3);
    }
    let mut gradient =
        Trained { pair: Pair::zeros(RANK, 8, 6), mixing: Array1::from_shape_fn(9, |i| i as f32) };
    SdLora.gradient(&memory, 0, &mut gradient);
    assert_eq!(
        gradient.mixing.to_vec(),
        [3.0, 3.0, 3.0, 12.0, 12.0, 12.0, 21.0, 21.0, 21.0],
        "one magnitude a branch"
    );
}

#[test]
fn inflora_designs_a_in_the_free_subspace_and_leaves_it_there() {
    let strategy = strategy::InfLora {
        energy: perennial::subspace::EnergySchedule { start: 0.9, end: 0.9, planned_tasks: 1 },
        max_rank: 64,
    };
    let mut memory = memory();
    let mut rng = rng(3);
    // The first task's inputs lie in three directions.
    let first = matrix(50, 3, &mut rng).dot(&matrix(3, 8, &mut rng));
    let second = matrix(50, 8, &mut rng);
    let moment = |rows: &Array2<f32>| {
        let mut moment = SecondMoment::new(8);
        moment.push_rows(rows.view()).unwrap();
        Moments { inputs: vec![moment], ..Moments::default() }
    };
    for (index, rows) in [&first, &second].into_iter().enumerate() {
        strategy.begin(&task(index), &mut memory).unwrap();
        strategy.meet(&task(index), &mut memory, &moment(rows)).unwrap();
        let a = memory.current[0].a.clone();
        let gram = a.dot(&a.t()) * 3.0;
        assert!(distance(&Array2::eye(RANK), &gram) < 1e-3, "orthonormal over sqrt 3: {gram}");
        if index == 1 {
            let protected = memory.inputs[0].protected();
            assert!((2..=3).contains(&protected), "{protected}");
            let mut projected = a.clone();
            memory.inputs[0].project(projected.view_mut()).unwrap();
            assert!(distance(&a, &projected) < 1e-3, "A reads protected directions");
        }
        let mut delta = Trained { pair: pair(&mut rng), mixing: Array1::zeros(0) };
        strategy.delta(&memory, 0, &mut delta, 1.0).unwrap();
        assert!(delta.pair.a.iter().all(|x| *x == 0.0) && delta.pair.b.iter().any(|x| *x != 0.0));
        strategy.end(&task(index), &mut memory, &moment(rows)).unwrap();
    }
}

#[test]
fn a_pool_survives_storage_bit_by_bit() {
    let mut pool = Pool::default();
    let mut rng = rng(9);
    for index in 0..3 {
        let own = [pair(&mut rng), pair(&mut rng)];
        let weights = vec![Array1::from_shape_fn(index * RANK, |u| if u % 2 == 0 { 0.0 } else { 0.123 }); 2];
        pool.append(&own, &weights).unwrap();
    }
    let bytes = postcard::to_allocvec(&pool).unwrap();
    assert_eq!(postcard::from_bytes::<Pool>(&bytes).unwrap(), pool);
    assert_eq!((pool.rank(), pool.tasks(), pool.reused(0), pool.reused(2)), (3 * RANK, 3, 0, 2 * RANK));
    assert!(pool.network(3).is_err());
}

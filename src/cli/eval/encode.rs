//! Pictures through the frozen network: once into a cache on disk, or into the memory of one process.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::PathBuf;

use etcetera::BaseStrategy;

use super::super::show;
use super::job::Job;
use super::setup::Setup;
use crate::data::Split;
use crate::error::Result;
use crate::eval::{Bank, Cache, Trunk};

/// Pictures a file of the cache, at most: what is lost when encoding is cut off.
const FILE: usize = 1024;

impl Setup<'_> {
    fn cache(&self) -> Result<(Trunk, Cache)> {
        let trunk = Trunk::new(&self.backbone, &self.settings(0)?)?;
        let folder = match &self.args.cache_dir {
            Some(folder) => folder.clone(),
            None => user_cache()?,
        };
        let cache = Cache::open(&folder, trunk.key(&self.global.engine, &self.preprocess))?;
        Ok((trunk, cache))
    }

    /// Encodes what the cache does not hold of the pictures of `jobs`.
    pub fn fill_cache(&self, jobs: &[Job]) -> Result<()> {
        let (trunk, mut cache) = self.cache()?;
        let mut plan = Vec::new();
        for (split, identities) in [Split::Train, Split::Test].into_iter().zip(&self.identities) {
            let needed = self.needed(split, jobs)?;
            for crop in 0..self.most_crops(split, jobs)? {
                plan.push((split, crop, identities, cache.missing(&needed, identities, crop)));
            }
        }
        let count: usize = plan.iter().map(|(_, _, _, missing)| missing.len()).sum();
        if count == 0 {
            return Ok(());
        }
        let encoder = trunk.compile(self.engine.as_ref())?;
        let bar = show::bar(self.global, count, "frozen network");
        let parts = plan
            .iter()
            .flat_map(|(split, crop, ids, missing)| missing.chunks(FILE).map(|m| (*split, *crop, *ids, m)));
        for (split, crop, identities, missing) in parts {
            let of = (&self.data, split);
            let new = (missing, identities.as_slice(), crop);
            let skipped = cache.fill(&encoder, of, new, &self.preprocess, &mut |n| bar.inc(n as u64))?;
            skipped.iter().for_each(|skipped| eprintln!("{skipped}"));
            if !self.global.json && !std::io::stderr().is_terminal() {
                eprintln!("frozen network: {} of {count} pictures", bar.position());
            }
        }
        bar.finish_and_clear();
        if !self.global.json {
            let size = cache.bytes(count).map_or("-".into(), |bytes| show::mib(bytes as usize));
            let place = cache.folder().display();
            eprintln!(
                "encoded {count} pictures once for all runs: {size} in {place} (--no-cache-dir keeps none)"
            );
        }
        Ok(())
    }

    /// The most crops of a picture of `split` that any of `jobs` learns; what is only predicted is seen whole.
    fn most_crops(&self, split: Split, jobs: &[Job]) -> Result<usize> {
        let each = jobs.iter().filter(|_| split == Split::Train).map(|job| self.crops(job));
        Ok(each.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or(1))
    }

    /// Samples that any of `jobs` needs.
    fn needed(&self, split: Split, jobs: &[Job]) -> Result<Vec<usize>> {
        let mut ids = BTreeSet::new();
        let streams: BTreeSet<(&str, u64)> = jobs.iter().map(|j| (j.order.as_str(), j.seed)).collect();
        for (order, seed) in streams {
            let scenario = self.scenario(&Job { strategy: String::new(), order: order.into(), seed })?;
            for task in &scenario.tasks {
                ids.extend(if split == Split::Train { &task.train } else { &task.test });
            }
            if split == Split::Test {
                ids.extend(&scenario.unknown);
            }
        }
        Ok(ids.into_iter().collect())
    }

    /// Encoded training and test pictures: from the cache, or made now. `progress` is told how many are made and of how
    /// many.
    pub fn banks(&self, jobs: &[Job], progress: &mut dyn FnMut(usize, usize)) -> Result<(Bank, Bank)> {
        if !self.args.no_cache_dir {
            let (_, cache) = self.cache()?;
            let [train, test] = &self.identities;
            let [seen, asked] = [self.most_crops(Split::Train, jobs)?, self.most_crops(Split::Test, jobs)?];
            return Ok((Bank::cached(&cache, train, seen), Bank::cached(&cache, test, asked)));
        }
        let encoder = Trunk::new(&self.backbone, &self.settings(0)?)?.compile(self.engine.as_ref())?;
        let needed = [self.needed(Split::Train, jobs)?, self.needed(Split::Test, jobs)?];
        let crops = [self.most_crops(Split::Train, jobs)?, self.most_crops(Split::Test, jobs)?];
        let (total, mut done) = (crops[0] * needed[0].len() + crops[1] * needed[1].len(), 0);
        let mut encode = |split, ids: &[usize], crops| {
            Bank::encode(&encoder, (&self.data, split), (ids, crops), &self.preprocess, &mut |n| {
                done += n;
                progress(done, total);
            })
        };
        let banks = (encode(Split::Train, &needed[0], crops[0])?, encode(Split::Test, &needed[1], crops[1])?);
        banks.0.skipped.iter().chain(&banks.1.skipped).for_each(|skipped| eprintln!("{skipped}"));
        Ok(banks)
    }
}

fn user_cache() -> Result<PathBuf> {
    let base = etcetera::choose_base_strategy().map_err(|e| {
        crate::err!(NotFound, "no folder for caches ({e}); give --cache-dir DIR or --no-cache-dir")
    })?;
    Ok(base.cache_dir().join("perennial"))
}

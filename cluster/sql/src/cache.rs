//! Plans by the shape of their query, bounded (E-3).
//!
//! A first look-up by shape says which literals are parameters; the others' values are part of the second key.

use crate::fingerprint::{Fingerprint, Literal};
use crate::plan::Plan;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub struct PlanCache {
    entries: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Shape and options to the literals that are parameters.
    masks: HashMap<Vec<u8>, Arc<[bool]>>,
    plans: HashMap<Vec<u8>, Entry>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    plan: Arc<Plan>,
    used: u64,
    shape: Vec<u8>,
}

impl PlanCache {
    pub fn new(entries: usize) -> PlanCache {
        PlanCache { entries, inner: Mutex::default() }
    }

    /// `context` is everything besides the text that a plan depends on, table versions excepted.
    pub fn get(&self, context: &[u8], print: &Fingerprint) -> Option<Arc<Plan>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let shape = shape_key(context, print);
        let mask = inner.masks.get(&shape)?.clone();
        let key = full_key(&shape, print, &mask);
        inner.clock += 1;
        let clock = inner.clock;
        let entry = inner.plans.get_mut(&key)?;
        entry.used = clock;
        Some(entry.plan.clone())
    }

    pub fn insert(&self, context: &[u8], print: &Fingerprint, plan: &Arc<Plan>) {
        if self.entries == 0 {
            return;
        }
        let mut mask = vec![false; print.literals.len()];
        for slot in &plan.params {
            if let Some(is_param) = mask.get_mut(slot.literal as usize) {
                *is_param = true;
            }
        }
        let shape = shape_key(context, print);
        let key = full_key(&shape, print, &mask);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        let used = inner.clock;
        inner.masks.insert(shape.clone(), mask.into());
        inner.plans.insert(key, Entry { plan: plan.clone(), used, shape });
        while inner.plans.len() > self.entries {
            let Some(oldest) = inner.plans.iter().min_by_key(|(_, e)| e.used).map(|(k, _)| k.clone()) else { break };
            if let Some(gone) = inner.plans.remove(&oldest)
                && !inner.plans.values().any(|e| e.shape == gone.shape)
            {
                inner.masks.remove(&gone.shape);
            }
        }
    }

    /// Plans held.
    pub fn len(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).plans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn shape_key(context: &[u8], print: &Fingerprint) -> Vec<u8> {
    let mut key = Vec::with_capacity(context.len() + print.shape.len() + 1);
    key.extend_from_slice(context);
    key.push(0xff);
    key.extend_from_slice(&print.shape);
    key
}

fn full_key(shape: &[u8], print: &Fingerprint, mask: &[bool]) -> Vec<u8> {
    let mut key = shape.to_vec();
    for (literal, is_param) in print.literals.iter().zip(mask) {
        key.push(0xff);
        if !is_param {
            match literal {
                Literal::One(value) => key.extend_from_slice(format!("{value:?}").as_bytes()),
                Literal::List(values) => key.extend_from_slice(format!("{values:?}").as_bytes()),
            }
        }
    }
    key
}

//! Long keys by their digests, because a URL cannot carry them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// The most bytes of keys that are remembered.
const MAX_BYTES: usize = 64 << 20;

static KEYS: LazyLock<Mutex<LongKeys>> = LazyLock::new(|| Mutex::new(LongKeys::new(MAX_BYTES)));

/// The keys that pages and replies have named last.
struct LongKeys {
    max_bytes: usize,
    bytes: usize,
    keys: HashMap<[u8; 32], Arc<[u8]>>,
    /// The digests of the keys, the one that was named longest ago first.
    order: VecDeque<[u8; 32]>,
}

/// Remembers a key. Returns its digest.
pub fn remember(key: &[u8]) -> [u8; 32] {
    let digest = Sha256::digest(key).into();
    KEYS.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, key);
    digest
}

/// The key of a digest, if it is remembered.
pub fn find(digest: &[u8; 32]) -> Option<Arc<[u8]>> {
    KEYS.lock().unwrap_or_else(PoisonError::into_inner).keys.get(digest).cloned()
}

impl LongKeys {
    fn new(max_bytes: usize) -> Self {
        Self { max_bytes, bytes: 0, keys: HashMap::new(), order: VecDeque::new() }
    }

    fn insert(&mut self, digest: [u8; 32], key: &[u8]) {
        if self.keys.contains_key(&digest) {
            self.order.retain(|other| *other != digest);
            self.order.push_back(digest);
            return;
        }
        if key.len() > self.max_bytes {
            return;
        }
        while self.bytes + key.len() > self.max_bytes {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.keys.remove(&oldest).map_or(0, |key| key.len());
        }
        self.bytes += key.len();
        self.keys.insert(digest, key.into());
        self.order.push_back(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::LongKeys;

    #[test]
    fn the_keys_that_were_named_last_stay() {
        let mut keys = LongKeys::new(10);
        let named = |keys: &LongKeys| -> Vec<u8> {
            assert_eq!(keys.bytes, keys.keys.values().map(|key| key.len()).sum::<usize>());
            assert_eq!(keys.order.len(), keys.keys.len());
            (0..10).filter(|id| keys.keys.contains_key(&[*id; 32])).collect()
        };
        for id in [1, 2, 1] {
            keys.insert([id; 32], b"12345");
        }
        assert_eq!(named(&keys), [1, 2]);
        keys.insert([3; 32], b"1234");
        assert_eq!(named(&keys), [1, 3]);
        keys.insert([4; 32], b"more than ten");
        assert_eq!(named(&keys), [1, 3]);
        keys.insert([5; 32], b"0123456789");
        assert_eq!(named(&keys), [5]);
    }
}

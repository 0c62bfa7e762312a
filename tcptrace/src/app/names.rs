//! Names of cgroups for the outputs.

use std::cell::RefCell;

use rustc_hash::FxHashMap;

use crate::sink::json::{Cgroup, Names};
use crate::source::cgroup::{CgroupTree, container};

/// Paths by id, looked up once; a name is kept for the run, so that it outlives its cgroup.
pub(super) struct CgroupNames {
    tree: RefCell<CgroupTree>,
    known: RefCell<FxHashMap<u64, Option<&'static Name>>>,
}

struct Name {
    path: String,
    container: Option<(String, String)>,
}

impl CgroupNames {
    /// `None` on hosts without cgroup v2.
    pub(super) fn open() -> Option<Self> {
        CgroupTree::open().ok().map(|tree| Self { tree: RefCell::new(tree), known: RefCell::default() })
    }

    fn find(&self, id: u64) -> Option<&'static Name> {
        let path = self.tree.borrow_mut().path(id)?.to_owned();
        let container =
            container(&path).and_then(|container| Some((container.id, container.runtime?.to_owned())));
        // As many as there are cgroups with sockets, for the rest of the run.
        Some(Box::leak(Box::new(Name { path, container })))
    }
}

impl Names for CgroupNames {
    fn cgroup(&self, id: u64) -> Option<Cgroup<'_>> {
        let known = self.known.borrow().get(&id).copied();
        let name = known.unwrap_or_else(|| {
            let found = self.find(id);
            self.known.borrow_mut().insert(id, found);
            found
        })?;
        Some(Cgroup {
            path: &name.path,
            container: name.container.as_ref().map(|(id, runtime)| (id.as_str(), runtime.as_str())),
        })
    }
}

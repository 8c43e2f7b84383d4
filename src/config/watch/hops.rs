//! Which directories to watch in order to notice every change of what a path leads to.
//!
//! A path leads through names, and each name that is a symbolic link is an entry of a directory
//! that can be replaced: a mounted Kubernetes ConfigMap is `tools.yaml -> ..data/tools.yaml` and
//! `..data -> ..2026_11_21`, and an update replaces only `..data`. A watch on the file itself would
//! follow the old file into its grave, so only directories are watched.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// How many links one path may lead through; what Linux itself allows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Adds the directories that hold the last name of `path` and every link on the way to it. They
/// are free of links themselves, so that equal directories have equal names.
///
/// Where a name is missing, that is the deepest directory that exists: the name will appear there.
pub(super) fn collect(path: &Path, directories: &mut BTreeSet<PathBuf>) {
    // Fails only for an empty path or without a working directory; there is nothing to watch then.
    let Ok(path) = std::path::absolute(path) else {
        return;
    };
    let mut here = PathBuf::new();
    let mut ahead: VecDeque<OsString> = names(&path);
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        let Ok(metadata) = fs::symlink_metadata(&next) else {
            break;
        };
        if metadata.is_symlink() {
            directories.insert(here.clone());
            links += 1;
            let Ok(target) = fs::read_link(&next) else {
                break;
            };
            if links > MAX_LINKS {
                break;
            }
            let mut through = names(&target);
            through.append(&mut ahead);
            ahead = through;
        } else if metadata.is_dir() {
            here = next;
        } else {
            break;
        }
    }
    directories.insert(here);
}

/// The names of a path, the root being one of them: joining it starts over at the top.
fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|component| *component != Component::CurDir)
        .map(|component| OsStr::to_owned(component.as_os_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Tree {
        _folder: tempfile::TempDir,
        root: PathBuf,
    }

    impl Tree {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            // The folder for temporary files may itself be a link.
            let root = folder.path().canonicalize().unwrap();
            for folder in ["a/b", "c", "k8s/..1"] {
                fs::create_dir_all(root.join(folder)).unwrap();
            }
            for file in ["a/b/plain", "c/far", "k8s/..1/tools.yaml"] {
                fs::write(root.join(file), "").unwrap();
            }
            symlink("..1", root.join("k8s/..data")).unwrap();
            symlink("..data/tools.yaml", root.join("k8s/tools.yaml")).unwrap();
            symlink(root.join("c/far"), root.join("a/absolute")).unwrap();
            symlink("../../c/far", root.join("a/b/relative")).unwrap();
            symlink("loop", root.join("a/loop")).unwrap();
            symlink("nowhere/file", root.join("a/dangling")).unwrap();
            symlink("a/b", root.join("folder")).unwrap();
            Self {
                _folder: folder,
                root,
            }
        }

        fn check(&self, path: &str, expected: &[&str]) {
            let mut found = BTreeSet::new();
            collect(&self.root.join(path), &mut found);
            let expected: BTreeSet<_> = expected.iter().map(|dir| self.root.join(dir)).collect();
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn every_directory_that_can_redirect_a_path_is_found() {
        let tree = Tree::new();
        tree.check("a/b/plain", &["a/b"]);
        tree.check("a/./b/../b/plain", &["a/b"]);
        tree.check("a/absolute", &["a", "c"]);
        tree.check("a/b/relative", &["a/b", "c"]);
        tree.check("folder/plain", &["", "a/b"]);
        tree.check("k8s/tools.yaml", &["k8s", "k8s/..1"]);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_watched_where_it_ends() {
        let tree = Tree::new();
        tree.check("a/b/missing", &["a/b"]);
        tree.check("a/missing/deeper/file", &["a"]);
        tree.check("a/dangling", &["a"]);
        tree.check("a/loop", &["a"]);
        tree.check("a/b/plain/not-a-directory", &["a/b"]);
    }
}

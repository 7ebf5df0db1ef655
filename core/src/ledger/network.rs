//! Which file systems are shared over a network: there a write-ahead log, which several processes map into
//! memory, is not seen alike by all of them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::statfs;

/// FUSE says nothing about what is behind it; the table of mounts does.
const FUSE: u32 = 0x6573_5546;

/// By the number that `statfs` tells.
const KINDS: [(u32, &str); 16] = [
    (0x0000_6969, "NFS"),
    (0x0000_517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x0102_1997, "9p"),
    (0x0000_564c, "NCP"),
    (0x7375_7245, "Coda"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0xaad7_aaea, "PanFS"),
];

/// What is local though it is FUSE: the root of rootless containers, and disks of other systems.
const LOCAL_FUSE: [&str; 3] = ["fuse.fuse-overlayfs", "fuseblk", "fuse.mergerfs"];

/// The kind of the network file system that this directory is on; none: it is local.
pub(super) fn kind(directory: &Path) -> io::Result<Option<String>> {
    let number = statfs(directory)?.f_type;
    // Its type differs by architecture, and so does its sign.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number has 32 bits")]
    let number = number as u32;
    if number != FUSE {
        return Ok(by_number(number).map(str::to_owned));
    }
    let device = fs::metadata(directory)?.dev();
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    Ok(by_mounts(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default(), &device))
}

fn by_number(number: u32) -> Option<&'static str> {
    KINDS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// What of FUSE this device is, unless that is local. What is not in the table is not trusted.
fn by_mounts(mounts: &str, device: &str) -> Option<String> {
    let kind = mounts.lines().find_map(|line| {
        // "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": see proc_pid_mountinfo(5).
        let (mount, system) = line.split_once(" - ")?;
        (mount.split(' ').nth(2)? == device).then(|| system.split(' ').next())?
    });
    let kind = kind.unwrap_or("FUSE");
    (!LOCAL_FUSE.contains(&kind)).then(|| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(by_number(0x6969), Some("NFS"));
        assert_eq!(by_number(0xff53_4d42), Some("CIFS"));
        assert_eq!(by_number(0x0102_1997), Some("9p"));
        for local in [0xef53, 0x0102_1994, 0x794c_7630, 0x5846_5342, 0x9123_683e, 0x2fc1_2fc1] {
            assert_eq!(by_number(local), None, "{local:x}");
        }
    }

    #[test]
    fn fuse_is_judged_by_what_is_behind_it() {
        let mounts = "22 1 0:20 / / rw - ext4 /dev/vda rw\n\
            40 22 0:50 / /mnt/far rw,nosuid shared:9 - fuse.sshfs me@far:/ rw\n\
            41 22 0:51 / /mnt/root rw - fuse.fuse-overlayfs overlay rw\n\
            42 22 0:52 / /mnt/host rw - virtiofs host rw\n";
        assert_eq!(by_mounts(mounts, "0:50").as_deref(), Some("fuse.sshfs"));
        assert_eq!(by_mounts(mounts, "0:51"), None);
        assert_eq!(by_mounts(mounts, "0:52").as_deref(), Some("virtiofs"));
        assert_eq!(by_mounts(mounts, "0:99").as_deref(), Some("FUSE"));
    }

    #[test]
    fn this_machine_is_local() {
        assert_eq!(kind(Path::new("/proc")).unwrap(), None);
    }
}

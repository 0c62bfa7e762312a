//! A virtual machine that boots one kernel, runs test binaries as root, and powers off.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::initramfs::Initramfs;
use super::mirror::{Image, tool};
use super::verdict::{DONE, END};
use crate::test_binary::TestBinary;
use crate::workspace::binary;

/// Memory, MiB: the unpacked initramfs and 64 MiB of ring buffer are in it.
const MEMORY: &str = "1536";

/// What every guest runs.
pub(crate) struct Guest<'a> {
    pub(crate) root: &'a Path,
    pub(crate) binaries: &'a [TestBinary],
    /// Filters of libtest; none for all.
    pub(crate) only: &'a [String],
    /// How much more time everything may take than on this host.
    pub(crate) slowness: u32,
    /// Instead of tests: a command for the guest's shell.
    pub(crate) command: Option<&'a str>,
    /// How long one binary may run in the guest.
    pub(crate) limit: Duration,
}

impl Guest<'_> {
    /// Boots the kernel; all that the tests printed, in `folder/NAME.log`. What the kernel printed, and the tests' stderr, is in
    /// `folder/NAME.console`.
    pub(crate) fn boot(&self, image: &Image, folder: &Path, name: &str) -> Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let initrd = folder.join(format!("{name}.cpio"));
        let initramfs = Initramfs::new()?;
        // The tests know it by its path on this host. Optimised: reading a kernel's types takes seconds otherwise, in an emulator.
        initramfs.program(&binary(self.root, "release"), &binary(self.root, "debug"), true)?;
        for binary in self.binaries {
            initramfs.program(&binary.executable, &Path::new("/tests").join(&binary.name), true)?;
        }
        initramfs.modules(image)?;
        initramfs.text("init", &self.init())?;
        initramfs.pack(&initrd)?;

        let (log, console) = (folder.join(format!("{name}.log")), folder.join(format!("{name}.console")));
        // A command is one, too.
        let count = u32::try_from(self.binaries.len()).unwrap_or(u32::MAX).max(1);
        let limit = self.limit * count + Duration::from_mins(2);
        let mut qemu = Command::new(tool("qemu-system-x86_64"));
        // Of QEMU's own translator: CMPXCHG16B leaves wrong flags behind, and one boot in three dies of it; with a thread for each
        // processor, code that the kernel changes under running programs (static keys, as for BPF_ENABLE_STATS) traps now and then.
        // The newest need it all the same: without it they give eBPF no memory in a socket (Linux `mm/slub.c:kmalloc_nolock`).
        let cpu = if name == "newest" { "max" } else { "max,-cx16" };
        qemu.args(["-accel", "tcg,thread=single", "-cpu", cpu, "-smp", "2", "-m", MEMORY])
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .arg("-serial")
            .arg(format!("file:{}", log.display()))
            .arg("-kernel")
            .arg(image.folder.join("vmlinuz"))
            .arg("-initrd")
            .arg(&initrd)
            // With the processors' own timers: behind a periodic one of the board, whose interrupts get lost here, jiffies fall behind,
            // and so do all ages that sock_diag tells.
            .args([
                "-append",
                "console=ttyS0 loglevel=4 panic=-1 clocksource=hpet no_timer_check mitigations=off",
            ]);
        let error = File::create(folder.join(format!("{name}.qemu")))?;
        let mut child = qemu
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(error)
            .spawn()
            .context("cannot start qemu-system-x86_64")?;
        let deadline = Instant::now() + limit;
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                // What it did not say by then is missing, and missed.
                child.kill()?;
                child.wait()?;
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        fs::remove_file(&initrd)?;
        Ok(log)
    }

    /// The guest's first program. What the tests print goes to the second serial line, which the kernel does not write to.
    fn init(&self) -> String {
        let mut script = String::from(SETUP);
        // Writing into a String cannot fail.
        let _ = writeln!(script, "ln -s {} /usr/bin/tcptrace", binary(self.root, "debug").display());
        if let Some(command) = self.command {
            let _ =
                writeln!(script, "bash -c '{}' </dev/null >/dev/ttyS1 2>&1", command.replace('\'', "'\\''"));
        }
        for TestBinary { name, folder, .. } in self.binaries {
            // What goes to stderr must not stand between a test's name and its verdict.
            let _ = write!(
                script,
                "cd /root; CARGO_MANIFEST_DIR={} TCPTRACE_LIVE=1 TCPTRACE_TEST_SLOWNESS={} timeout {} /tests/{name} --test-threads 1 \
                 --show-output {} </dev/null >/dev/ttyS1 2>/dev/ttyS0\necho \"{END} {name} $?\" >/dev/ttyS1\n",
                folder.display(),
                self.slowness,
                self.limit.as_secs(),
                self.only.join(" "),
            );
        }
        let _ = write!(script, "echo '{DONE}' >/dev/ttyS1\nsync\npoweroff -f\n");
        script
    }
}

const SETUP: &str = "#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup /sys/fs/cgroup
chmod 1777 /tmp
mount -t tmpfs run /run
ln -s /run /var/run
mkdir -p /run/netns /dev/pts /dev/shm
mount -t devpts pts /dev/pts
for module in $(cat /modules/order); do insmod /modules/$module || echo \"no $module\"; done
/usr/bin/ip link set lo up
stty -F /dev/ttyS1 raw
uname -r >/dev/ttyS1
";

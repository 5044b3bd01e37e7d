# Waits until its standard input closes, which is when the test process has ended
# or has no more use for the folder $1. Then kills every process that works in
# that folder and removes it, with its mounts and shared memory.
root=$1
while read -r _; do :; done

# at_work prints the ids of the processes whose working directory is in $root.
at_work() {
  find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$root" -o -lname "$root/*" \) -printf '%h\n' 2>/dev/null | cut -d/ -f3
}
while pids=$(at_work) && [ -n "$pids" ]; do
  kill -9 $pids 2>/dev/null
done

# A killed server leaves a small segment of shared memory, named in the seventh line.
for file in "$root"/data/postmaster.pid "$root"/*/data/postmaster.pid; do
  [ -e "$file" ] && sed -n 7p "$file" | while read -r _ segment; do ipcrm -m "$segment" 2>/dev/null; done
done

for mounted in $(cut -d' ' -f2 /proc/mounts); do
  case $mounted in "$root"/*) umount "$mounted" || umount -l "$mounted" ;; esac
done
rm -rf "$root"

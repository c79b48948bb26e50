#include "util/memory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "util/take_memory.h"

namespace weir {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;

/// A file descriptor that is closed when it goes.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

std::atomic<bool> take_at_once = false;

void OnBusError(int number, siginfo_t* info, void*) {
  if (info->si_code == BUS_ADRERR) {
    constexpr char kWords[] =
        "error: bytes of a file that was being read are gone: it became shorter, or its disk fails\n"
        "  let the download or copy of the model end, then start again\n";
    // Nothing can be done if nobody hears it.
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kWords, sizeof(kWords) - 1);
    _exit(1);
  }
  signal(number, SIG_DFL);  // broken memory, say: to return runs into it again
}

}  // namespace

void SayWhenMappedBytesAreGone() {
  struct sigaction action = {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

void TakeBuffersAtOnce() { take_at_once = true; }

Result<Buffer> Buffer::Allocate(size_t n_bytes) {
  Buffer buffer;
  if (n_bytes == 0) return buffer;
  void* data = mmap(nullptr, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return Refused("cannot allocate {} bytes of memory: {}", n_bytes, std::strerror(errno));
  }
#ifdef MADV_HUGEPAGE
  if (n_bytes >= kHugePageBytes) madvise(data, n_bytes, MADV_HUGEPAGE);
#endif
  buffer.data_ = static_cast<uint8_t*>(data);
  buffer.size_ = n_bytes;
  if (take_at_once) std::memset(data, 0, n_bytes);
  return buffer;
}

Buffer::~Buffer() {
  if (data_) munmap(data_, size_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Result<MappedFile> MappedFile::Open(const std::string& path) {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer before we can refuse it.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return BadInput("{}: cannot open: {}", path, std::strerror(errno));
  struct stat status;
  if (fstat(file.fd, &status) != 0) {
    return Failed("{}: cannot read its size: {}", path, std::strerror(errno));
  }
  if (S_ISDIR(status.st_mode)) return BadInput("{}: expected a file, found a directory", path);
  if (!S_ISREG(status.st_mode)) {
    return BadInput("{}: expected a regular file, found a device, pipe or socket", path);
  }
  MappedFile mapped;
  if (status.st_size == 0) return mapped;
  const auto size = static_cast<size_t>(status.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd, 0);
  if (data == MAP_FAILED) {
    return Failed("{}: cannot map {} bytes: {}", path, size, std::strerror(errno));
  }
  mapped.data_ = static_cast<const uint8_t*>(data);
  mapped.size_ = size;
  return mapped;
}

void MappedFile::Drop(const uint8_t* begin, size_t n_bytes) {
  static const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t from = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const uintptr_t to = (reinterpret_cast<uintptr_t>(begin) + n_bytes) / page * page;
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<uint8_t*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace weir

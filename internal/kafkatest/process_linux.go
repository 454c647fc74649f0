package kafkatest

import (
	"os/exec"
	"runtime"
	"syscall"
)

// endWithUs makes the kernel kill cmd when this process ends. What it returns
// is to be called when the child has ended: the kernel goes by the thread that
// started the child, which must not end before.
func endWithUs(cmd *exec.Cmd) (release func()) {
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return runtime.UnlockOSThread
}

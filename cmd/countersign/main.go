// Command countersign is the outgoing mail gate and everything that
// administers it.
//
// It hands its arguments to package cli and ends with the status that it
// returns: 0 done, 1 refused or failed, 2 wrong usage.
package main

import (
	"os"

	"countersign/internal/cli"
)

// version is the release that this source is, or becomes.
const version = "0.1.0-dev"

func main() {
	os.Exit(cli.Run(cli.Env{
		Version: version,
		Args:    os.Args[1:],
		Stdin:   os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv,
	}))
}

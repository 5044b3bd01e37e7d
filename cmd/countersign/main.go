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
	os.Exit(cli.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, cli.SystemEnv(version)))
}

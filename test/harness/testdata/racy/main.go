// Command racy has a data race, so that the harness can be seen to notice one.
package main

func main() {
	shared, done := 0, make(chan struct{})
	go func() {
		shared++
		close(done)
	}()
	shared++
	<-done
}

package quickstart

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"countersign/internal/mail"
	"countersign/internal/sink"
)

// recipient keeps what arrives as .eml files and tells who waits for it.
type recipient struct {
	dir string
	ids mail.IDSource

	mu sync.Mutex // guards waiting
	// waiting maps a subject to who waits for a message with it.
	waiting map[string]chan string
}

// receive is the sink's handler: the file is complete under its name or not
// there at all.
func (r *recipient) receive(m sink.Message) error {
	path := filepath.Join(r.dir, string(r.ids.New())+".eml")
	var text bytes.Buffer
	fmt.Fprintf(&text, "Return-Path: <%s>\r\n", m.From)
	for _, to := range m.To {
		fmt.Fprintf(&text, "Delivered-To: <%s>\r\n", to)
	}
	text.Write(m.Data)
	if err := os.WriteFile(path+".part", text.Bytes(), 0o600); err != nil {
		return err
	}
	if err := os.Rename(path+".part", path); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for subject, c := range r.waiting {
		if strings.Contains(string(m.Data), "Subject: "+subject+"\r\n") {
			delete(r.waiting, subject)
			c <- path
		}
	}
	return nil
}

// expect returns a channel that gets the file of the next message with that
// subject.
func (r *recipient) expect(subject string) <-chan string {
	c := make(chan string, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[subject] = c
	return c
}

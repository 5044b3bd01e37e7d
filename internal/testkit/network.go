package testkit

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// Network leads addresses to server doubles without sockets. It is safe for
// concurrent use.
type Network struct {
	mu    sync.Mutex // guards what follows
	hosts map[string]*MX
	hangs map[string]bool
	dials []string
}

// NewNetwork returns a network in which every address refuses connections.
func NewNetwork() *Network {
	return &Network{hosts: map[string]*MX{}, hangs: map[string]bool{}}
}

// Set makes an address, host:port, lead to m; nil makes it refuse again.
func (n *Network) Set(address string, m *MX) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.hangs, address)
	if m == nil {
		delete(n.hosts, address)
		return
	}
	n.hosts[address] = m
}

// Hang makes an address answer nothing, as a firewall does.
func (n *Network) Hang(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hangs[address] = true
}

// Dials returns the addresses that connections were tried to, in order.
func (n *Network) Dials() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.dials...)
}

// Dial connects to an address.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dials = append(n.dials, address)
	m, hangs := n.hosts[address], n.hangs[address]
	n.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
	}
	if m == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	near, far := Pipe()
	m.Serve(far)
	return near, nil
}

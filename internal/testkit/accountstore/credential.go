package accountstore

import (
	"context"
	"slices"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// maxSubjects is how many subjects account.CredentialStore.Holders takes.
const maxSubjects = 256

// Proofs implements account.CredentialStore.
func (s *Store) Proofs(_ context.Context, login string) (account.Proofs, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads.Proofs++
	sender, err := s.sender(login)
	if err != nil {
		return account.Proofs{}, err
	}
	a := &sender.Account
	return account.Proofs{
		Generation: sender.Generation, Account: a.ID, Revision: a.Revision, Directory: a.Directory, Legacy: a.Legacy || sender.Plan.Legacy,
		Credentials: a.Credentials, Active: sender.Active(), PlanAlone: planAlone(*sender),
	}, nil
}

// planAlone is account.Proofs.PlanAlone.
func planAlone(s account.Sender) bool {
	stopped := s.Account.PlanLearned && !s.Active()
	s.Plan.State = account.Active
	return stopped && s.Active()
}

// RenewSecret implements account.CredentialStore.
func (s *Store) RenewSecret(_ context.Context, login string, id mail.ID, before string, after account.Secret, e audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	a := cloned(s.accounts[login])
	i := slices.IndexFunc(a.Credentials, func(c account.Credential) bool { return c.ID == id })
	if i < 0 {
		return &fault.Error{Kind: fault.NotFound}
	}
	secret := &a.Credentials[i].Secret
	if secret.Hash != before {
		return &fault.Error{Kind: fault.Conflict}
	}
	after.Former = secret.Former
	if sender, err := s.sender(login); err == nil && !a.Legacy && !sender.Plan.Legacy {
		after.Keys = after.WithoutLegacy()
	}
	*secret = after
	s.accounts[login] = a
	s.events = append(s.events, e)
	return nil
}

// Salt implements account.CredentialStore.
func (s *Store) Salt(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []byte("12345678"), s.down
}

// Costs implements account.CredentialStore.
func (s *Store) Costs(context.Context) (list []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.accounts {
		for _, c := range a.Credentials {
			if cost := c.Secret.Cost; cost != "" && !slices.Contains(list, cost) {
				list = append(list, cost)
			}
		}
	}
	return list, s.down
}

// Holders implements account.CredentialStore.
func (s *Store) Holders(_ context.Context, kind account.CredentialKind, subjects []string) (list []account.Holder, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(subjects) > maxSubjects {
		return nil, &fault.Error{Kind: fault.Invalid}
	}
	for login, a := range s.accounts {
		for _, c := range a.Credentials {
			if c.Kind == kind && c.Subject != "" && slices.Contains(subjects, c.Subject) {
				list = append(list, account.Holder{Login: login, Credential: c.ID, Subject: c.Subject})
			}
		}
	}
	return list, s.down
}

// Used implements account.UseStore.
func (s *Store) Used(_ context.Context, uses []account.Use) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	for _, u := range uses {
		u.Client = u.Client.Unmap()
		if kept, known := s.uses[u.Credential]; s.holderOf(u.Credential) != "" && (!known || u.At.After(kept.At)) {
			s.uses[u.Credential] = u
		}
	}
	return nil
}

// Uses implements account.UseStore.
func (s *Store) Uses(_ context.Context, login string, limit int) (list []account.Use, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, u := range s.uses {
		if login == "" || s.holderOf(id) == login {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(x, y account.Use) int { return y.At.Compare(x.At) })
	return list[:min(len(list), limit)], s.down
}

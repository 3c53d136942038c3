import { test } from 'tap'
import { RetryBudget } from '../../src/traffic/budget.ts'

function take(budget: RetryBudget): number {
  let taken = 0
  while (budget.take()) taken++
  return taken
}

test('a new budget has a thousand tokens, which are lost over ten seconds', t => {
  t.equal(take(new RetryBudget()), 1000)
  const budget = new RetryBudget()
  for (let i = 0; i < 5; i++) budget.second()
  t.equal(take(budget), 550, 'half of them, and ten of each second')
  const old = new RetryBudget()
  for (let i = 0; i < 10; i++) old.second()
  t.equal(take(old), 100)
  t.end()
})

test('every fifth request earns a token, at once', t => {
  const budget = new RetryBudget()
  take(budget)
  for (let i = 0; i < 4; i++) budget.earn()
  t.equal(take(budget), 0)
  budget.earn()
  t.equal(take(budget), 1)
  t.end()
})

test('each second adds ten', t => {
  const budget = new RetryBudget()
  take(budget)
  budget.second()
  t.equal(take(budget), 10)
  t.end()
})

test('what was earned is kept for ten seconds', t => {
  const budget = new RetryBudget()
  for (let i = 0; i < 1000; i++) budget.earn()
  for (let i = 0; i < 10; i++) budget.second()
  t.equal(take(budget), 300, 'ten of each second, and a fifth of the requests')
  for (let i = 0; i < 1000; i++) budget.earn()
  for (let i = 0; i < 30; i++) budget.second()
  t.equal(take(budget), 100, 'the requests were too long ago')
  t.end()
})

test('what was taken before its second is over is not earned twice', t => {
  const budget = new RetryBudget()
  take(budget)
  for (let i = 0; i < 50; i++) budget.earn()
  t.equal(take(budget), 10)
  budget.second()
  t.equal(take(budget), 10)
  t.end()
})

"""The nightly settlement: what waits for what, and what happens when something fails."""

import pendulum
import steps
from airflow.sdk import dag, task


@dag(schedule=None, start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), catchup=False)
def settlement():
    @task
    def prepare_stage():
        steps.prepare_stage()

    @task
    def load_orders(ds=None):
        steps.load_orders(ds)

    @task
    def load_payments(ds=None):
        steps.load_payments(ds)

    @task.branch
    def reconcile():
        return "publish" if steps.agrees() else "quarantine"

    @task
    def publish(ds=None):
        steps.publish(ds)

    @task
    def quarantine(ds=None):
        steps.quarantine(ds)

    @task(trigger_rule="none_failed_min_one_success")
    def notify(ds=None):
        steps.say(ds, "settlement done")

    @task(trigger_rule="one_failed")
    def alert(ds=None):
        steps.say(ds, "settlement failed")

    @task(trigger_rule="all_done")
    def clean_up(ti=None, run_id=None):
        steps.clean_up()
        states = ti.get_task_states(dag_id="settlement", run_ids=[run_id])[run_id]
        failed = [name for name, state in states.items() if state == "failed"]
        if failed:
            raise RuntimeError(f"failed: {failed}")

    stage, orders, payments, verdict = prepare_stage(), load_orders(), load_payments(), reconcile()
    settled, aside, told, alarm = publish(), quarantine(), notify(), alert()
    stage >> [orders, payments] >> verdict >> [settled, aside] >> told
    [orders, payments, verdict, settled, aside] >> alarm
    [orders, payments, verdict, settled, aside, told, alarm] >> clean_up()


settlement()

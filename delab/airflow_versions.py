"""Airflow's API for tasks in the one version that its own tasks speak.

The server keeps nine versions of it, so that workers of older releases can connect, and makes all of them at its first request:
five to ten seconds of processor time. Here server and tasks are of one release.
"""


def latest_only() -> None:
    """Leave the latest version; to be called before anything builds the API."""
    from airflow.api_fastapi.execution_api import versions
    from cadwyn import HeadVersion, Version, VersionBundle

    versions.bundle = VersionBundle(HeadVersion(), Version(versions.bundle.versions[0].value))
    forget_old_routes()


def forget_old_routes() -> None:
    """Remove what only older versions have: Cadwyn takes a route that no version restores for a mistake."""
    from airflow.api_fastapi.execution_api.routes import execution_api_router
    from cadwyn.route_generation import _DELETED_ROUTE_TAG

    old = [route for route in execution_api_router.routes if _DELETED_ROUTE_TAG in getattr(route, "tags", ())]
    for route in old:
        execution_api_router.routes.remove(route)
